/** One fault: how it is made, what is promised then, and what was found. */

import type { Stage } from './stage.ts'

export type Broker = 'redis' | 'amqp'

/** What one run of a fault has shown. */
export interface Finding {
  /** Whether the promise was kept; for Python's worker it is told, not judged. */
  readonly ok: boolean
  /** In numbers: `lost 0 of 20, repeated 1, back after 0.4 s`. */
  readonly text: string
}

export interface Row {
  /** Such as `F01`; a letter more for its variants. */
  readonly id: string
  /** What is done to it. */
  readonly fault: string
  /** What must hold, with its limit. */
  readonly promise: string
  readonly brokers: readonly Broker[]
  /** Whether Python's worker goes through the same. */
  readonly python: boolean
  /** Quick enough to be run with every test run. @default false */
  readonly fast?: boolean
  /** Seconds that one run may take; longer is a failure. */
  readonly seconds: number
  readonly run: (stage: Stage) => Promise<Finding>
}
