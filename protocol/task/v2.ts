/** Version 2 of the task message: what is to be done in the headers, the arguments in a body of three. */

import type { Headers } from '../message.ts'
import { own, type PlainObject } from '../plain.ts'
import { readArgs, readEmbed, readKwargs } from './body.ts'
import { HeaderReader } from './header-reader.ts'
import type { Embed, TaskHeaders, TaskMessage } from './task-message.ts'

/** Members of the header table that are Celery's or kombu's own. */
const KNOWN: ReadonlySet<string> = new Set([
  ...['lang', 'task', 'id', 'shadow', 'eta', 'expires', 'group', 'group_index', 'retries'],
  ...['timelimit', 'root_id', 'parent_id', 'argsrepr', 'kwargsrepr', 'origin', 'ignore_result'],
  ...['replaced_task_nesting', 'stamped_headers', 'stamps', 'compression', 'redelivered', 'meth'],
])

/**
 * The header table, with the caller's own headers merged over it, as Celery does.
 *
 * @see celery 5.6, app/amqp.py, `as_task_v2` and `send_task_message`
 */
export function encodeHeadersV2(task: TaskMessage): Record<string, unknown> {
  return {
    lang: task.lang ?? 'py',
    task: task.task,
    id: task.id,
    shadow: task.shadow,
    eta: task.eta,
    expires: task.expires,
    group: task.group,
    group_index: task.groupIndex,
    retries: task.retries,
    timelimit: [task.timeLimit, task.softTimeLimit],
    root_id: task.rootId ?? task.id,
    parent_id: task.parentId,
    argsrepr: task.argsrepr,
    kwargsrepr: task.kwargsrepr,
    origin: task.origin,
    ignore_result: task.ignoreResult ?? false,
    replaced_task_nesting: task.replacedTaskNesting,
    stamped_headers: task.stampedHeaders,
    stamps: task.stamps,
    ...task.custom,
  }
}

/** `[args, kwargs, {callbacks, errbacks, chain, chord}]` */
export function encodeBodyV2({ args, kwargs, embed }: TaskMessage): readonly unknown[] {
  const { callbacks, errbacks, chain, chord } = embed
  return [args, kwargs, { callbacks, errbacks, chain, chord } satisfies Embed]
}

/** Reads the headers of version 2; `body` is what its serializer made of it. */
export function readTaskV2(headers: Headers, body: unknown): TaskMessage {
  const reader = new HeaderReader(headers)
  const read = readHeaders(reader, headers)
  if (!Array.isArray(body) || body.length !== 3) {
    throw reader.invalid('body', 'must be a list of args, kwargs and what comes after')
  }
  const [args, kwargs, embed] = body as readonly unknown[]
  return {
    ...read,
    args: readArgs(args, reader),
    kwargs: readKwargs(kwargs, reader),
    embed: readEmbed(embed, reader, read.group),
    protocol: 2,
  }
}

/** @param custom where the caller's own headers are: in the header table, also in version 1 */
export function readHeaders(reader: HeaderReader, custom: Headers): TaskHeaders {
  const [timeLimit, softTimeLimit] = reader.timelimit('timelimit')
  return {
    lang: reader.name('lang'),
    task: reader.task,
    id: reader.id,
    shadow: reader.name('shadow'),
    eta: reader.isoformat('eta'),
    expires: reader.isoformat('expires'),
    group: reader.name('group'),
    groupIndex: reader.count('group_index'),
    retries: reader.count('retries') ?? 0,
    timeLimit,
    softTimeLimit,
    rootId: reader.name('root_id'),
    parentId: reader.name('parent_id'),
    argsrepr: reader.text('argsrepr'),
    kwargsrepr: reader.text('kwargsrepr'),
    origin: reader.name('origin'),
    ignoreResult: reader.flag('ignore_result'),
    replacedTaskNesting: reader.count('replaced_task_nesting') ?? 0,
    stampedHeaders: reader.names('stamped_headers'),
    stamps: reader.stamps('stamps'),
    custom: customHeaders(custom),
  }
}

const NO_HEADERS: Headers = Object.freeze({})

function customHeaders(headers: PlainObject): Headers {
  let custom: Record<string, unknown> | undefined
  for (const name in headers) {
    if (KNOWN.has(name) || !Object.hasOwn(headers, name)) continue
    custom ??= Object.create(null) as Record<string, unknown>
    custom[name] = own(headers, name)
  }
  return custom ?? NO_HEADERS
}
