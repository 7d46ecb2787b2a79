/** All faults, in the order of the table. */

import type { Row } from '../row.ts'
import { CONNECTIONS } from './connections.ts'
import { killedWorker } from './killed-worker.ts'
import { PROCESSES } from './processes.ts'
import { SERVERS } from './servers.ts'
import { WORK } from './work.ts'

export const ROWS: readonly Row[] = [
  killedWorker,
  ...PROCESSES,
  ...CONNECTIONS,
  ...WORK,
  ...SERVERS,
]
