/** Version 1 of the task message, everything in the body, and the hybrid whose headers name the task too. */

import { EncodeError } from '../errors.ts'
import type { Headers } from '../message.ts'
import { own, type PlainObject } from '../plain.ts'
import { saferepr } from '../python/repr.ts'
import { HeaderReader } from './header-reader.ts'
import type { TaskMessage } from './task-message.ts'
import { readTask } from './v2.ts'

/**
 * The body of version 1. It has no place for a chain: one is sent as `callbacks` of `callbacks`.
 *
 * @throws EncodeError when there is a chain, which nobody would run
 * @see celery 5.6, app/amqp.py, `as_task_v1`
 */
export function encodeBodyV1(task: TaskMessage, utc: boolean): Record<string, unknown> {
  if (task.embed.chain !== null && task.embed.chain.length > 0) {
    throw new EncodeError(
      `task ${task.task} is followed by a chain, which task protocol 1 cannot carry: ` +
        'set taskProtocol to 2, or link the next task',
    )
  }
  return {
    task: task.task,
    id: task.id,
    args: task.args,
    kwargs: task.kwargs,
    group: task.group,
    group_index: task.groupIndex,
    retries: task.retries,
    eta: task.eta,
    expires: task.expires,
    utc,
    callbacks: task.embed.callbacks,
    errbacks: task.embed.errbacks,
    timelimit: [task.timeLimit, task.softTimeLimit],
    taskset: task.group,
    chord: task.embed.chord,
  }
}

/** The headers of version 1 are the caller's own. */
export function encodeHeadersV1({ custom }: TaskMessage): Record<string, unknown> {
  return { ...custom }
}

/** @see celery 5.6, worker/strategy.py, `proto1_to_proto2` */
export function readTaskV1(body: PlainObject, headers: Headers): TaskMessage {
  const fields = Object.hasOwn(body, 'taskset') ? { ...body, group: body['taskset'] } : body
  const task = readBody(body, new HeaderReader(fields), headers)
  return { ...task, argsrepr: saferepr(task.args), kwargsrepr: saferepr(task.kwargs) }
}

/** What a hybrid's headers are taken from when the header table does not have them. */
const HYBRID_FIELDS = [
  'lang',
  'task',
  'id',
  'root_id',
  'parent_id',
  'group',
  'shadow',
  'eta',
  'expires',
  'retries',
  'timelimit',
  'argsrepr',
  'kwargsrepr',
  'origin',
]

/** @see celery 5.6, worker/strategy.py, `hybrid_to_proto2` */
export function readHybrid(body: PlainObject, headers: Headers): TaskMessage {
  const fields = HYBRID_FIELDS.map((name) => [name, own(body, name)] as const)
  return readBody(body, new HeaderReader({ ...Object.fromEntries(fields), ...headers }), headers)
}

function readBody(body: PlainObject, reader: HeaderReader, custom: Headers): TaskMessage {
  const task = readTask(reader, custom, {
    args: Object.hasOwn(body, 'args') ? body['args'] : [],
    kwargs: Object.hasOwn(body, 'kwargs') ? body['kwargs'] : {},
    embed: {
      callbacks: own(body, 'callbacks'),
      errbacks: own(body, 'errbacks'),
      chord: own(body, 'chord'),
    },
    protocol: 1,
  })
  // Python takes null for false here.
  return Object.hasOwn(body, 'utc') && !body['utc'] ? { ...task, utc: false } : task
}
