/** All faults, in the order of the table. */

import type { Row } from '../row.ts'
import { killedWorker } from './killed-worker.ts'

export const ROWS: readonly Row[] = [killedWorker]
