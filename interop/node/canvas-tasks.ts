/** The tasks that Celery's own integration tests call, in TypeScript: `t.integration.tasks.*`. */

import { appendFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import {
  Celery,
  Signature,
  SoftTimeLimitExceeded,
  taskPrerun,
  taskReceived,
} from '../../src/index.ts'
import { chainOf, chordOf, groupOf, stamped, type Sig } from './canvas-signature.ts'

const env = process.env

/** Celery's tests know these tasks by their module. */
const MODULE = 't.integration.tasks'

export const app = new Celery(MODULE, {
  ...(env['CELERY_BROKER_URL'] === undefined ? {} : { brokerUrl: env['CELERY_BROKER_URL'] }),
  ...(env['CELERY_RESULT_BACKEND'] === undefined
    ? {}
    : { resultBackend: env['CELERY_RESULT_BACKEND'] }),
  resultExtended: true,
  taskDefaultQueue: env['CANVAS_QUEUE'] ?? 'celery',
})

/** Where Celery's tests look for what the tasks say. */
let connection: Redis | undefined
function redis(): Redis {
  const { REDIS_HOST = 'localhost', REDIS_PORT = '6379' } = env
  return (connection ??= new Redis(
    env['CANVAS_REDIS_URL'] ?? `redis://${REDIS_HOST}:${REDIS_PORT}`,
  ))
}

const TOLD = 'celeriac-received'

/**
 * Tests that hear of what their worker received, which Celery runs beside them, are told of it before it
 * runs when they ask for that: see `python/celery_integration.py`.
 */
if (env['CANVAS_TELL_RECEIVED'] !== undefined) {
  taskPrerun.connect(async ({ request }) => {
    if ((await redis().exists('celeriac-tell-received')) === 0) return
    const { id, task, args, kwargs, embed, stamps, stampedHeaders } = request
    const told = { id, task, args, kwargs, embed, stamps, stamped_headers: stampedHeaders }
    await redis().rpush(TOLD, JSON.stringify(told))
    const waiting = redis().duplicate()
    await waiting.blpop(`${TOLD}-${id}`, 5)
    waiting.disconnect()
  })
}

/** An exception as Python raises it. */
function raised(excType: string, excModule: string, ...args: readonly unknown[]): Error {
  return Object.assign(new Error(args.map((arg) => JSON.stringify(arg)).join(', ')), {
    excType,
    excModule,
    args,
  })
}

export function expected(...args: readonly unknown[]): Error {
  return raised('ExpectedException', MODULE, ...args)
}

/** Python's `+`: of numbers, of texts and of lists, and of nothing else. */
export function plus(x: unknown, y: unknown): unknown {
  if (typeof x === 'number' && typeof y === 'number') return x + y
  if (typeof x === 'string' && typeof y === 'string') return x + y
  if (Array.isArray(x) && Array.isArray(y)) return [...(x as unknown[]), ...(y as unknown[])]
  throw new TypeError(`unsupported operand type(s) for +: '${typeof x}' and '${typeof y}'`)
}

function sum(numbers: readonly unknown[]): unknown {
  return numbers.reduce(plus, 0)
}

/** A signature of one of these tasks, as plain data. */
function s(task: string, ...args: readonly unknown[]): Sig {
  return app.signature(`${MODULE}.${task}`, args).toJSON()
}

function si(task: string, ...args: readonly unknown[]): Sig {
  return { ...s(task, ...args), immutable: true }
}

function withKwargs(signature: Sig, kwargs: Readonly<Record<string, unknown>>): Sig {
  return { ...signature, kwargs: { ...signature.kwargs, ...kwargs } }
}

const name = <T extends string>(task: T): `t.integration.tasks.${T}` => `${MODULE}.${task}`

// values

export const identity = app.task(name('identity'), { params: ['x'] }, (x: unknown) => x)

export const add = app.task(name('add'), { params: ['x', 'y', 'z?'] }, (x, y, z?: unknown) =>
  z ? plus(plus(x, y), z) : plus(x, y),
)

app.task(name('add_not_typed'), { typing: false }, plus)

app.task(name('add_ignore_result'), { ignoreResult: true }, plus)

export const mul = app.task(name('mul'), (x: number, y: number) => x * y)

export const tsum = app.task(name('tsum'), { params: ['nums'] }, sum)

export const xsum = app.task(name('xsum'), { params: ['nums'] }, (nums: readonly unknown[]) =>
  sum(nums.map((num) => (Array.isArray(num) ? sum(num as unknown[]) : num))),
)

app.task(
  name('write_to_file_and_return_int'),
  { params: ['file_name', 'i'] },
  async (file: string, i: number) => {
    await appendFile(file, `${i}\n`)
    return i
  },
)

app.task(
  name('delayed_sum'),
  { params: ['numbers', 'pause_time?'] },
  async (numbers: readonly unknown[], pauseTime: number = 1) => {
    await sleep(pauseTime * 1000)
    return sum(numbers)
  },
)

app.task(
  name('delayed_sum_with_soft_guard'),
  { bind: true, params: ['numbers', 'pause_time?'] },
  async (self, numbers: readonly unknown[], pauseTime: number = 1) => {
    try {
      await sleep(pauseTime * 1000, undefined, { signal: self.signal })
      return sum(numbers)
    } catch (error) {
      if (self.signal.reason instanceof SoftTimeLimitExceeded) return 0
      throw error
    }
  },
)

app.task(name('sleeping'), async (seconds: number) => {
  await sleep(seconds * 1000)
})

app.task(name('print_unicode'), (log = 'håå®ƒ valmuefrø', print = 'hiöäüß') => {
  process.stderr.write(`${String(log)}\n${String(print)}\n`)
})

app.task(name('return_exception'), (error: unknown) => [error, true])

app.task(name('replaced_with_me'), () => true)

app.task(name('add_pydantic'), ({ x, y }: { x: number; y: number }) => ({ result: x + y }))

app.task(name('add_pydantic_string_annotations'), ({ x, y }: { x: number; y: number }) => ({
  result: x + y,
}))

// what the message says

export const ids = app.task(name('ids'), { bind: true, params: ['i'] }, (self, i: unknown) => [
  self.request.rootId,
  self.request.parentId,
  i,
])

app.task(
  name('collect_ids'),
  { bind: true, params: ['res', 'i'] },
  (self, res: unknown, i: unknown) => [res, [self.request.rootId, self.request.parentId, i]],
)

app.task(name('return_priority'), { bind: true }, (self, ..._args: unknown[]) => {
  const { priority } = self.request.deliveryInfo
  return `Priority: ${priority ?? 'None'}`
})

app.task(name('return_properties'), { bind: true }, (self) => {
  const { correlationId, replyTo, priority, deliveryMode, ...others } = self.request.properties
  return {
    ...others,
    correlation_id: correlationId,
    reply_to: replyTo,
    priority,
    delivery_mode: deliveryMode,
  }
})

// failures

export const fail = app.task(name('fail'), (...args: unknown[]) => {
  throw expected('Task expected to fail', ...args)
})

app.task(name('raise_error'), (..._args: unknown[]) => {
  throw raised('ValueError', 'builtins', 'deliberate error')
})

app.task(name('fail_unpickleable'), { params: ['foo', 'bar'] }, (foo: unknown, _bar: unknown) => {
  throw raised('UnpickleableException', MODULE, foo)
})

/** Counts across runs, as an attribute of the task does in Python. */
let attempts = 0
app.task(
  name('retry'),
  { bind: true, defaultRetryDelay: 1, params: ['return_value?'] },
  (self, value?: unknown) => {
    if (value && attempts >= 3) {
      attempts = 0
      return value
    }
    if (value) attempts += 1
    throw self.retry({ exc: expected(), countdown: 5 })
  },
)

app.task(
  name('retry_unpickleable'),
  { bind: true, defaultRetryDelay: 1, params: ['foo', 'bar', 'retry_kwargs'] },
  (self, foo: unknown, _bar: unknown, options: Readonly<Record<string, unknown>>) => {
    const { max_retries: maxRetries, countdown } = options
    throw self.retry({
      exc: raised('UnpickleableException', MODULE, foo),
      ...(typeof maxRetries === 'number' ? { maxRetries } : {}),
      ...(typeof countdown === 'number' ? { countdown } : {}),
    })
  },
)

const ONCE = { bind: true, maxRetries: 1 } as const
/** These take what they are given by place, and use nothing of it. */
const ANY = ['first?', 'second?', 'third?'] as const

function once(countdown: unknown, maxRetries: unknown, expires?: unknown): Record<string, number> {
  return {
    maxRetries: typeof maxRetries === 'number' ? maxRetries : 1,
    ...(typeof countdown === 'number' ? { countdown } : {}),
    ...(typeof expires === 'number' ? { expires } : {}),
  }
}

app.task(
  name('retry_once'),
  { ...ONCE, expires: 120, params: [...ANY, 'expires?', 'max_retries?', 'countdown?'] },
  (self, _1?, _2?, _3?, expires?, maxRetries?: unknown, countdown: unknown = 0.1) => {
    if (self.request.retries > 0) return self.request.retries
    throw self.retry(once(countdown, maxRetries, expires))
  },
)

app.task(
  name('retry_once_priority'),
  { ...ONCE, params: [...ANY, 'expires?', 'max_retries?', 'countdown?'] },
  (self, _1?, _2?, _3?, _expires?, maxRetries?: unknown, countdown: unknown = 0.1) => {
    if (self.request.retries > 0) return self.request.deliveryInfo.priority
    throw self.retry(once(countdown, maxRetries))
  },
)

app.task(
  name('retry_once_headers'),
  { ...ONCE, params: [...ANY, 'max_retries?', 'countdown?'] },
  (self, _1?, _2?, _3?, maxRetries?: unknown, countdown: unknown = 0.1) => {
    if (self.request.retries > 0) return self.request.headers
    throw self.retry(once(countdown, maxRetries))
  },
)

app.task(
  'auto_retry_class_task',
  { bind: true, autoretryFor: [isValueError], retryKwargs: { maxRetries: 1 }, retryBackoff: true },
  (self) => {
    if (self.request.retries > 0) return self.request.retries
    throw raised('ValueError', 'builtins')
  },
)

function isValueError(error: unknown): boolean {
  return error instanceof Error && 'excType' in error && error.excType === 'ValueError'
}

// what is heard outside

async function count(key: string): Promise<void> {
  await redis().incr(key)
}

app.task(
  name('redis_echo'),
  { params: ['message', 'redis_key?'] },
  async (message: unknown, key: string = 'redis-echo') => {
    await redis().rpush(key, String(message))
  },
)

app.task(
  name('redis_echo_group_id'),
  { bind: true, params: ['_', 'redis_key?'] },
  async (self, _: unknown, key: string = 'redis-group-ids') => {
    await redis().rpush(key, String(self.request.group))
  },
)

app.task(name('redis_count'), { params: ['redis_key?'] }, (key: string = 'redis-count') =>
  count(key),
)

app.task(name('errback_old_style'), async (requestId: string) => {
  await count(requestId)
  return requestId
})

app.task(
  name('errback_new_style'),
  async (request: { readonly id: string }, _error: unknown, _traceback: unknown) => {
    await count(request.id)
    return request.id
  },
)

// tasks that send others

app.task(name('chain_add'), { params: ['x', 'y'] }, async (x: unknown, y: unknown) => {
  await new Signature(app, chainOf(s('add', x, x), s('add', y))).applyAsync()
})

app.task(name('chord_add'), { params: ['x', 'y'] }, async (x: unknown, y: unknown) => {
  await new Signature(app, chordOf([s('add', x, x)], s('add', y))).applyAsync()
})

app.task(name('build_chain_inside_task'), () =>
  new Signature(
    app,
    chainOf(s('add', 1, 1), s('add', 2), groupOf(s('add', 3), s('add', 4)), s('add', 5)),
  ).applyAsync(),
)

app.task(
  name('add_to_all_to_chord'),
  { bind: true },
  async (self, nums: unknown[], val: unknown) => {
    for (const num of nums) await self.addToChord(s('add', num, val))
    return 0
  },
)

app.task(
  name('add_chord_to_chord'),
  { bind: true },
  async (self, nums: unknown[], val: unknown) => {
    const header = nums.map((num) => s('add', num, val))
    await self.addToChord(chordOf(header, s('tsum')))
    return 0
  },
)

// tasks that others take the place of

app.task(name('add_replaced'), { bind: true, params: ['x', 'y'] }, (self, x: unknown, y: unknown) =>
  self.replace(s('add', x, y)),
)

app.task(name('fail_replaced'), { bind: true }, (self, ...args: unknown[]) =>
  self.replace(si('fail', ...args)),
)

app.task(name('add_to_all'), { bind: true }, (self, nums: unknown[], val: unknown) =>
  self.replace(groupOf(...nums.map((num) => s('add', num, val)))),
)

/** What a chain of two is linked to: with a message of its own, or with what it is given. */
function echo(message: unknown, key: unknown): Sig {
  const isSilent = message === undefined || message === null
  const echoing = isSilent ? s('redis_echo') : si('redis_echo', message)
  return typeof key === 'string' ? withKwargs(echoing, { redis_key: key }) : echoing
}

function given(x: unknown): readonly unknown[] {
  return x === undefined ? [] : [x]
}

app.task(
  name('replace_with_chain'),
  { bind: true, params: ['x?', 'link_msg?', 'redis_key?'] },
  (self, x?: unknown, message?: unknown, key?: unknown) => {
    const replacement = new Signature(app, chainOf(s('identity', ...given(x)), s('identity')))
    replacement.link(echo(message, key))
    return self.replace(replacement)
  },
)

app.task(
  name('replace_with_chain_which_raises'),
  { bind: true, params: ['x?', 'link_msg?', 'redis_key?'] },
  (self, x?: unknown, message?: unknown, key?: unknown) => {
    const replacement = new Signature(app, chainOf(s('identity', ...given(x)), s('raise_error')))
    replacement.linkError(echo(message, key))
    return self.replace(replacement)
  },
)

app.task(name('replace_with_empty_chain'), { bind: true }, (self, ..._args: unknown[]) =>
  self.replace(chainOf()),
)

app.task(
  name('replace_with_stamped_task'),
  { bind: true, params: ['replace_with?'] },
  (self, by?: unknown) =>
    self.replace(
      stamped((by ?? s('replaced_with_me')) as Sig, {
        StampOnReplace: 'This is the replaced task',
      }),
    ),
)

app.task(
  name('second_order_replace1'),
  { bind: true, params: ['state?', 'redis_key?'] },
  async (self, state: boolean = false, key: string = 'redis-echo') => {
    await redis().rpush(key, state ? 'Out A' : 'In A')
    if (state) return null
    const inner = withKwargs(s('second_order_replace2'), { redis_key: key })
    const again = withKwargs(si('second_order_replace1'), { state: true, redis_key: key })
    return self.replace(chainOf(inner, again))
  },
)

app.task(
  name('second_order_replace2'),
  { bind: true, params: ['state?', 'redis_key?'] },
  async (self, state: boolean = false, key: string = 'redis-echo') => {
    await redis().rpush(key, state ? 'Out B' : 'In B')
    if (state) return null
    const inner = withKwargs(s('redis_echo', 'In/Out C'), { redis_key: key })
    const again = withKwargs(si('second_order_replace2'), { state: true, redis_key: key })
    return self.replace(chainOf(inner, again))
  },
)

// signatures as values: they are never sent

const NESTED: Readonly<Record<string, () => Sig>> = {
  chain_chain: () => chainOf(chainOf(s('add'))),
  chain_group: () => chainOf(groupOf(s('add'))),
  chain_chord: () => chainOf(chordOf([s('add')], s('add'))),
  group_chain: () => groupOf(chainOf(s('add'))),
  group_group: () => groupOf(groupOf(s('add'))),
  group_chord: () => groupOf(chordOf([s('add')], s('add'))),
  chord_chain: () => chordOf([chainOf(s('add'))], s('add')),
  chord_group: () => chordOf(groupOf(s('add')), s('add')),
  chord_chord: () => chordOf([chordOf([s('add')], s('add'))], s('add')),
}

for (const [nesting, make] of Object.entries(NESTED)) {
  app.task(name(`return_nested_signature_${nesting}`), make)
}

app.task(name('rebuild_signature'), { params: ['sig_dict'] }, rebuild)

/** @throws TypeError when something in it is no signature */
function rebuild(signature: Sig): void {
  if (typeof signature.task !== 'string') throw new TypeError('that is no signature')
  const { tasks = [], header = [], body } = signature.kwargs
  for (const inner of [tasks, header].flat() as readonly Sig[]) rebuild(inner)
  if (body !== undefined) rebuild(body as Sig)
}

// what came with a task, for the list that one of its stamps names

taskReceived.connect(async ({ request }) => {
  const { task, retries, stamps, stampedHeaders, embed } = request
  if (typeof stamps['trace'] !== 'string') return
  const { callbacks, errbacks } = embed
  const seen = { task, retries, stampedHeaders, stamps, callbacks, errbacks }
  await redis().rpush(stamps['trace'], JSON.stringify(seen))
})
