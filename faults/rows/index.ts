/** All faults, in the order of the table. */

import type { Row } from '../row.ts'
import { CHORDS } from './chords.ts'
import { CONNECTIONS } from './connections.ts'
import { ETA } from './eta.ts'
import { killedWorker } from './killed-worker.ts'
import { PROCESSES } from './processes.ts'
import { SERVERS } from './servers.ts'
import { WORK } from './work.ts'

const ALL = [killedWorker, ...PROCESSES, ...CONNECTIONS, ...WORK, ...SERVERS, ...ETA, ...CHORDS]

export const ROWS: readonly Row[] = ALL.toSorted((a, b) => (a.id < b.id ? -1 : 1))
