/** Remote commands that ask. */

import type { PanelCommand } from '../../control/node.ts'

/** @see celery 5.6, worker/control.py, `ping` */
export function ping(): PanelCommand {
  return () => ({ ok: 'pong' })
}
