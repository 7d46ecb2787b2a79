/** Version 2 of the task message: what is to be done in the headers, the arguments in a body of three. */

import type { Headers } from '../message.ts'
import { readArgs, readEmbed, readKwargs } from './body.ts'
import { HeaderReader } from './header-reader.ts'
import type { Embed, TaskMessage } from './task-message.ts'

/** Members of the header table that are Celery's or kombu's own. */
const KNOWN: ReadonlySet<string> = new Set([
  'lang',
  'task',
  'id',
  'shadow',
  'eta',
  'expires',
  'group',
  'group_index',
  'retries',
  'timelimit',
  'root_id',
  'parent_id',
  'argsrepr',
  'kwargsrepr',
  'origin',
  'ignore_result',
  'replaced_task_nesting',
  'stamped_headers',
  'stamps',
  'compression',
  'redelivered',
  'meth',
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

/** Reads version 2; `body` is what its serializer made of it. */
export function readTaskV2(headers: Headers, body: unknown): TaskMessage {
  const reader = new HeaderReader(headers)
  if (!Array.isArray(body) || body.length !== 3) {
    throw reader.invalid('body', 'must be a list of args, kwargs and what comes after')
  }
  const [args, kwargs, embed] = body as readonly unknown[]
  return readTask(reader, headers, { args, kwargs, embed, protocol: 2 })
}

/** What is to be checked of a body, of whatever version. */
interface TaskContent {
  readonly args: unknown
  readonly kwargs: unknown
  readonly embed: unknown
  readonly protocol: 1 | 2
}

/**
 * One literal makes the whole of it: V8 takes microseconds to add members to what was spread.
 *
 * @param custom where the caller's own headers are: in the header table, also in version 1
 */
export function readTask(reader: HeaderReader, custom: Headers, content: TaskContent): TaskMessage {
  const [timeLimit, softTimeLimit] = reader.timelimit('timelimit')
  const group = reader.name('group')
  return {
    lang: reader.name('lang'),
    task: reader.task,
    id: reader.id,
    shadow: reader.name('shadow'),
    eta: reader.isoformat('eta'),
    expires: reader.isoformat('expires'),
    group,
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
    args: readArgs(content.args, reader),
    kwargs: readKwargs(content.kwargs, reader),
    embed: readEmbed(content.embed, reader, group),
    protocol: content.protocol,
  }
}

const NO_HEADERS: Headers = Object.freeze({})

function customHeaders(headers: Headers): Headers {
  let custom: Record<string, unknown> | undefined
  for (const name of Object.keys(headers)) {
    if (KNOWN.has(name)) continue
    // Without a prototype a header may have any name.
    custom ??= Object.create(null) as Record<string, unknown>
    custom[name] = headers[name]
  }
  return custom ?? NO_HEADERS
}
