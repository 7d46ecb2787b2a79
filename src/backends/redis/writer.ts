/** Stores results on Redis: each with one round trip, many in the same one, none of them twice decided. */

import { BackendError, LimitExceeded } from '../../errors.ts'
import { redisFault, type Redis } from '../../redis.ts'
import type { RedisLink } from './link.ts'
import { script } from './script.ts'

/**
 *     KEYS   the tasks' keys
 *     ARGV   seconds to live (0 is for ever), how much of a stored value to look at (its last index),
 *            the Lua pattern of a SUCCESS in it ('' is none), then a value for each key
 *
 * Returns for each key `OK`, `KEPT` when a SUCCESS was there, or the text of an error.
 *
 * Celery reads first and writes MULTI, SETEX, PUBLISH, EXEC then; between the two another worker may
 * write. A stored SUCCESS is final. @see celery 5.6, backends/base.py, `_store_result`
 */
const STORE = script(`
local ttl, last, success = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local function store(key, value)
  if success ~= '' then
    local stored = redis.pcall('GETRANGE', key, 0, last)
    if type(stored) == 'table' then return stored.err end
    if string.find('\\n' .. stored, success) then return 'KEPT' end
  end
  local reply
  if ttl > 0 then reply = redis.pcall('SETEX', key, ttl, value)
  else reply = redis.pcall('SET', key, value) end
  if reply.err then return reply.err end
  reply = redis.pcall('PUBLISH', key, value)
  if type(reply) == 'table' then return reply.err end
  return 'OK'
end
local replies = {}
for i, key in ipairs(KEYS) do replies[i] = store(key, ARGV[i + 3]) end
return replies
`)

/** How a stored SUCCESS is told, without decoding it: where to look and for what. */
interface SuccessTest {
  /** The last byte to look at; -1 is all. */
  readonly last: number
  /** A Lua pattern, matched against a line feed and the value. */
  readonly pattern: string | Buffer
}

/**
 * Celery's meta begins with its status in JSON (json.dumps writes `{"status": "SUCCESS"`) and in
 * msgpack (a map of up to 65,535, then two short strings). PyYAML sorts, but only the meta's own
 * members begin a line.
 */
const SUCCESS_TESTS: ReadonlyMap<string, SuccessTest> = new Map<string, SuccessTest>([
  ['json', { last: 63, pattern: '^%s*{%s*"status"%s*:%s*"SUCCESS"' }],
  [
    'msgpack',
    { last: 31, pattern: Buffer.from('^\n[\x80-\x8f\xde].?.?\xa6status\xa7SUCCESS', 'latin1') },
  ],
  ['yaml', { last: -1, pattern: '\nstatus: SUCCESS[\r\n]' }],
])

const NO_TEST: SuccessTest = { last: 0, pattern: '' }

/** Redis takes no longer value. @see celery 5.6, backends/redis.py, `_MAX_STR_VALUE_SIZE` */
const MAX_VALUE_BYTES = 512 * 1024 * 1024
/** What one script call may carry: it keeps the server busy for about a millisecond. */
const MAX_BATCH = 256
const MAX_BATCH_BYTES = 1024 * 1024
/** So many go out at once, while those of the same turn of the event loop are still made. */
const EAGER_BATCH = 32
/** What may wait for its turn, while the server is slow or away. */
const MAX_WAITING = 100_000
const MAX_WAITING_BYTES = 256 * 1024 * 1024

interface Entry {
  readonly key: string
  readonly value: Buffer
  resolve(): void
  reject(reason: Error): void
}

export interface WriterOptions {
  readonly link: RedisLink
  /** Whole seconds; 0 is for ever. */
  readonly expires: number
  readonly serializer: string
}

/**
 * Entries wait in a line; one call is under way at a time, and takes along what came meanwhile. So a
 * task's states are stored in their order, also when a call has to be repeated, and the slower the
 * way to the server, the larger the batches.
 */
export class ResultWriter {
  readonly #link: RedisLink
  readonly #test: SuccessTest
  readonly #expires: number
  #line: Entry[] = []
  #bytes = 0
  #running = false
  #scheduled: NodeJS.Immediate | undefined
  #done: Promise<void> | undefined

  constructor({ link, expires, serializer }: WriterOptions) {
    this.#link = link
    this.#expires = expires
    this.#test = SUCCESS_TESTS.get(serializer) ?? NO_TEST
  }

  /** Whether a stored SUCCESS is told on the server; of a serializer of your own it is not. */
  get tellsSuccess(): boolean {
    return this.#test !== NO_TEST
  }

  /** Resolves when the value is stored, or a SUCCESS was already there. */
  store(key: string, value: Buffer): Promise<void> {
    const refused = this.#refuse(value)
    if (refused !== undefined) return Promise.reject(refused)
    return new Promise<void>((resolve, reject) => {
      this.#line.push({ key, value, resolve, reject })
      this.#bytes += value.length
      if (this.#running) return
      if (this.#line.length >= EAGER_BATCH) this.#start()
      else this.#scheduled ??= setImmediate(() => this.#start())
    })
  }

  /** Resolves when nothing waits any more, stored or failed. */
  async flushed(): Promise<void> {
    if (!this.#running) this.#start()
    await this.#done
  }

  #refuse(value: Buffer): Error | undefined {
    if (value.length > MAX_VALUE_BYTES) {
      return new LimitExceeded(`value too large for Redis backend: ${value.length} bytes`)
    }
    const full = this.#line.length >= MAX_WAITING || this.#bytes + value.length > MAX_WAITING_BYTES
    if (!full || this.#line.length === 0) return undefined
    return new BackendError(
      `${this.#line.length} results (${this.#bytes} bytes) wait for the Redis backend already: it is slow or away`,
    )
  }

  #start(): void {
    clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    this.#done = this.#run()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#line.length > 0) {
      let batch = this.#take()
      const work = async (redis: Redis): Promise<void> => {
        const replies = await this.#send(redis, batch)
        batch = batch.filter((entry, index) => !settled(entry, replies[index]))
        if (batch.length > 0) throw new Error(replies.find(isTransient))
      }
      await this.#link.retry('cannot store a result', work).catch((error: unknown) => {
        for (const entry of batch) entry.reject(error as Error)
      })
    }
    // in the same step as the look at the line: what comes now starts a run of its own
    this.#running = false
  }

  #take(): readonly Entry[] {
    let count = 0
    let bytes = 0
    for (const { value } of this.#line) {
      if (count === MAX_BATCH || (count > 0 && bytes + value.length > MAX_BATCH_BYTES)) break
      count += 1
      bytes += value.length
    }
    this.#bytes -= bytes
    return this.#line.splice(0, count)
  }

  async #send(redis: Redis, batch: readonly Entry[]): Promise<readonly string[]> {
    const keys = batch.map(({ key }) => key)
    const values = batch.map(({ value }) => value)
    const args = [this.#expires, this.#test.last, this.#test.pattern, ...values]
    return ((await STORE(redis, keys, args)) as readonly Buffer[]).map(String)
  }
}

/** Whether the server has decided about an entry; if not, it is tried again. */
function settled(entry: Entry, reply = 'no reply'): boolean {
  if (isTransient(reply)) return false
  if (reply === 'OK' || reply === 'KEPT') entry.resolve()
  else entry.reject(new BackendError(`cannot store a result: ${reply}`, { retryable: false }))
  return true
}

/** An error of one entry that may be over soon, such as a server out of memory. */
function isTransient(reply: string): boolean {
  return reply !== 'OK' && reply !== 'KEPT' && redisFault(new Error(reply)) === 'busy'
}
