/** Remote commands for the worker as a whole: its pool grows, shrinks and starts anew; it shuts down. */

import { own } from '../../../protocol/plain.ts'
import { NO_REPLY, type PanelCommand } from '../../control/node.ts'
import { NotSupported } from '../../errors.ts'
import { MAX_POOL_SIZE } from '../autoscale.ts'
import { shown } from '../log-line.ts'
import { ValueError, wholeNumber, type Reply } from './arguments.ts'
import type { PanelHandle } from './panel.ts'

/** `{n: 1}` @see celery 5.6, worker/control.py, `pool_grow` */
export function poolGrow(handle: PanelHandle): PanelCommand {
  return (args): Reply => {
    if (handle.autoscaler !== undefined) return refused('pool_grow')
    const n = wholeNumber(args, 'n', MAX_POOL_SIZE - handle.pool.size) ?? 1
    poolOf(handle).grow(n)
    handle.onResized(handle.pool.size)
    return { ok: 'pool will grow' }
  }
}

/** `{n: 1}` @see celery 5.6, worker/control.py, `pool_shrink` */
export function poolShrink(handle: PanelHandle): PanelCommand {
  return (args): Reply => {
    if (handle.autoscaler !== undefined) return refused('pool_shrink')
    const n = wholeNumber(args, 'n', MAX_POOL_SIZE) ?? 1
    poolOf(handle).shrink(n)
    handle.onResized(handle.pool.size)
    return { ok: 'pool will shrink' }
  }
}

function refused(command: string): Reply {
  return {
    error: `${command} is not supported with autoscale. Adjust autoscale range instead.`,
  }
}

/** @throws NotSupported where one task at a time is the point */
function poolOf({ pool, resizable }: PanelHandle): PanelHandle['pool'] {
  if (resizable) return pool
  throw new NotSupported("the pool 'solo' runs one task at a time: take another to have more")
}

/**
 * Replaces the pool's processes, so that they load the app anew. Which modules to load is not for a
 * message to say: Celery would import what is named in `modules`.
 *
 * @see celery 5.6, worker/control.py, `pool_restart`
 */
export function poolRestart({ poolRestarts, pool }: PanelHandle): PanelCommand {
  return (args): Reply => {
    if (!poolRestarts) throw new ValueError('Pool restarts not enabled')
    const modules = own(args, 'modules') ?? []
    if (!Array.isArray(modules) || modules.length > 0 || (own(args, 'reloader') ?? null) !== null) {
      throw new NotSupported('no code is loaded that a message names: leave out modules, reloader')
    }
    pool.restart?.()
    return { ok: 'reload started' }
  }
}

/** `{max, min}`; either may be left out. @see celery 5.6, worker/control.py, `autoscale` */
export function autoscale({ autoscaler }: PanelHandle): PanelCommand {
  return (args): Reply => {
    if (autoscaler === undefined) throw new ValueError('Autoscale not enabled')
    const max = wholeNumber(args, 'max', MAX_POOL_SIZE)
    const min = wholeNumber(args, 'min', MAX_POOL_SIZE)
    const range = autoscaler.update(max, min)
    return { ok: `autoscale now max=${range[0]} min=${range[1]}` }
  }
}

/** Warm, and without a word: Celery's does not reply either. @see celery 5.6, worker/control.py, `shutdown` */
export function shutdown({ log, onShutdown }: PanelHandle): PanelCommand {
  return (args) => {
    const msg = own(args, 'msg')
    log.warning(typeof msg === 'string' ? shown(msg) : 'Got shutdown from remote')
    onShutdown()
    return NO_REPLY
  }
}
