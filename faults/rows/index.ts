/** All faults, in the order of the table. */

import type { Row } from '../row.ts'
import { CONNECTIONS } from './connections.ts'
import { killedWorker } from './killed-worker.ts'
import { PROCESSES } from './processes.ts'

export const ROWS: readonly Row[] = [killedWorker, ...PROCESSES, ...CONNECTIONS]
