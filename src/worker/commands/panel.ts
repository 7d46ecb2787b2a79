/** The remote commands that a worker knows, by name, and what they may touch of it. */

import type { Panel } from '../../control/node.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Request } from '../request.ts'
import type { WorkerState } from '../state.ts'
import type { Verdicts } from '../verdict.ts'
import { revoke } from './control.ts'
import { ping } from './inspect.ts'

/** What the commands may touch. */
export interface PanelHandle {
  readonly state: WorkerState<Request>
  readonly verdicts: Pick<Verdicts, 'revokedById'>
  readonly log: Logger
}

/** @see celery 5.6, worker/control.py, `Panel` */
export function makePanel(handle: PanelHandle): Panel {
  return new Map([
    ['ping', ping()],
    ['revoke', revoke(handle)],
  ])
}
