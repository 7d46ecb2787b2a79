/** The commands that workers know, under Celery's names, and the arguments of each. */

import type { PlainObject } from './plain.ts'

export interface RemoteCommand {
  /** The name of the command. */
  readonly method: string
  /** Its keyword arguments. */
  readonly arguments: PlainObject
}

/** @see celery 5.6, app/control.py, `Control.revoke` */
export function revokeCommand(
  taskId: string | readonly string[],
  terminate: boolean,
  signal: string,
): RemoteCommand {
  return { method: 'revoke', arguments: revokeArguments(taskId, terminate, signal) }
}

/** The arguments of `revoke`. @see celery 5.6, app/control.py, `Control.revoke` */
export function revokeArguments(
  taskId: string | readonly string[],
  terminate: boolean,
  signal: string,
): PlainObject {
  return { task_id: taskId, terminate, signal }
}

/** @see celery 5.6, app/control.py, `Control.revoke_by_stamped_headers` */
export function revokeByStampedHeadersCommand(
  headers: PlainObject,
  terminate: boolean,
  signal: string,
): RemoteCommand {
  return { method: 'revoke_by_stamped_headers', arguments: { headers, terminate, signal } }
}

/** @see celery 5.6, app/control.py, `Control.rate_limit` */
export function rateLimitCommand(
  taskName: string,
  rateLimit: string | number | null,
): RemoteCommand {
  return { method: 'rate_limit', arguments: { task_name: taskName, rate_limit: rateLimit } }
}

/** Seconds. @see celery 5.6, app/control.py, `Control.time_limit` */
export function timeLimitCommand(
  taskName: string,
  hard: number | null,
  soft: number | null,
): RemoteCommand {
  return { method: 'time_limit', arguments: { task_name: taskName, hard, soft } }
}

/** @see celery 5.6, app/control.py, `Control.pool_grow` */
export function poolGrowCommand(n: number): RemoteCommand {
  return { method: 'pool_grow', arguments: { n } }
}

/** @see celery 5.6, app/control.py, `Control.pool_shrink` */
export function poolShrinkCommand(n: number): RemoteCommand {
  return { method: 'pool_shrink', arguments: { n } }
}

/** @see celery 5.6, app/control.py, `Control.pool_restart` */
export function poolRestartCommand(reload: boolean): RemoteCommand {
  return { method: 'pool_restart', arguments: { modules: null, reload, reloader: null } }
}

/** @see celery 5.6, app/control.py, `Control.autoscale` */
export function autoscaleCommand(max: number, min: number): RemoteCommand {
  return { method: 'autoscale', arguments: { max, min } }
}

/** @see celery 5.6, app/control.py, `Control.shutdown` */
export const SHUTDOWN: RemoteCommand = { method: 'shutdown', arguments: {} }

/** @see celery 5.6, app/control.py, `Control.ping` */
export const PING: RemoteCommand = { method: 'ping', arguments: {} }
