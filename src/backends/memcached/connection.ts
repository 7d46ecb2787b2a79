/** One Memcached server: its text protocol on a connection that is opened when it is needed, and again when it was lost. */

import { connect, type Socket } from 'node:net'
import { BackendError, LimitExceeded } from '../../errors.ts'
import { timerMs } from '../../runtime/retry.ts'

export interface MemcachedEndpoint {
  readonly host: string
  readonly port: number
  /** The unix socket, instead of host and port. */
  readonly path?: string
}

/** The last line of a reply, and the values before it. */
interface Reply {
  readonly line: string
  readonly values: ReadonlyMap<string, Buffer>
  /** By key, what `gets` tells of a value, so that `cas` can tell whether it is still that. */
  readonly tokens: ReadonlyMap<string, string>
}

interface Pending {
  readonly expected: RegExp
  readonly values: Map<string, Buffer>
  readonly tokens: Map<string, string>
  resolve(reply: Reply): void
  reject(error: Error): void
}

/** No line of the server is longer. */
const MAX_LINE = 2048
const REFUSAL = /^(?:ERROR|CLIENT_ERROR|SERVER_ERROR)/
const CRLF = Buffer.from('\r\n')

/**
 *     get <key>* CRLF                                       (VALUE <key> <flags> <bytes> CRLF <data> CRLF)* END
 *     gets, cas: the same with a number that is another for each value that was ever there
 *     set <key> <flags> <exptime> <bytes> CRLF <data> CRLF  STORED
 *     delete <key> CRLF                                     DELETED, NOT_FOUND
 *     incr <key> <by> CRLF                                  the new number, NOT_FOUND
 *
 * @see memcached, doc/protocol.txt
 */
export class MemcachedConnection {
  readonly #endpoint: MemcachedEndpoint
  readonly #timeoutMs: number
  readonly #queue: Pending[] = []
  #socket: Socket | undefined
  #buffer: Buffer = Buffer.alloc(0)
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /** `timeout` in seconds, for a reply. */
  constructor(endpoint: MemcachedEndpoint, timeout: number) {
    this.#endpoint = endpoint
    this.#timeoutMs = timerMs(timeout)
  }

  /**
   * The reply must look as expected.
   *
   * @throws BackendError when there is none in time, or a refusal; LimitExceeded when the value is too large
   */
  async command(line: string, expected: RegExp, data?: Buffer): Promise<Reply> {
    if (this.#closed) throw closedError()
    const reply = await new Promise<Reply>((resolve, reject) => {
      this.#queue.push({ expected, values: new Map(), tokens: new Map(), resolve, reject })
      const socket = (this.#socket ??= this.#open())
      const parts = data === undefined ? [] : [data, CRLF]
      socket.write(Buffer.concat([Buffer.from(`${line}\r\n`), ...parts]))
      this.#timer ??= this.#watch()
    })
    if (REFUSAL.test(reply.line)) throw refusal(reply.line)
    return reply
  }

  close(): void {
    this.#closed = true
    this.#drop(closedError())
  }

  #open(): Socket {
    const { host, port, path } = this.#endpoint
    const socket = path === undefined ? connect(port, host) : connect(path)
    socket.setNoDelay(true).setKeepAlive(true)
    const lost = (cause?: Error): void => {
      if (this.#socket !== socket) return
      const why = cause === undefined ? 'it was closed' : cause.message
      this.#drop(new BackendError(`Connection to Memcached lost: ${why}`, { cause }))
    }
    socket.on('data', (chunk) => this.#socket === socket && this.#read(chunk))
    socket.on('error', lost).on('close', () => lost())
    return socket
  }

  #read(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    clearTimeout(this.#timer)
    while (this.#readOne());
    this.#timer = this.#queue.length === 0 ? undefined : this.#watch()
  }

  /** Whether there was enough to be read. */
  #readOne(): boolean {
    const end = this.#buffer.indexOf(CRLF)
    if (end < 0 && this.#buffer.length > MAX_LINE) this.#drop(malformed())
    if (end < 0) return false
    const line = this.#buffer.toString('utf8', 0, end)
    const [pending] = this.#queue
    if (pending === undefined) return this.#drop(malformed())
    const [, key = '', bytes = '0', token] = /^VALUE (\S+) \d+ (\d+)(?: (\d+))?/.exec(line) ?? []
    if (key === '') {
      if (!pending.expected.test(line) && !REFUSAL.test(line)) return this.#drop(malformed())
      this.#queue.shift()
      this.#buffer = this.#buffer.subarray(end + 2)
      pending.resolve({ line, values: pending.values, tokens: pending.tokens })
      return true
    }
    const from = end + 2
    const to = from + Number(bytes)
    if (this.#buffer.length < to + 2) return false
    pending.values.set(key, Buffer.from(this.#buffer.subarray(from, to)))
    if (token !== undefined) pending.tokens.set(key, token)
    this.#buffer = this.#buffer.subarray(to + 2)
    return true
  }

  #watch(): NodeJS.Timeout {
    return setTimeout(() => {
      const seconds = this.#timeoutMs / 1000
      this.#drop(new BackendError(`Memcached has not answered in ${seconds} s`))
    }, this.#timeoutMs)
  }

  /** What was asked gets no answer any more; the next command opens another connection. */
  #drop(error: Error): false {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#socket?.destroy()
    this.#socket = undefined
    this.#buffer = Buffer.alloc(0)
    for (const pending of this.#queue.splice(0)) pending.reject(error)
    return false
  }
}

function closedError(): BackendError {
  return new BackendError('the connection to Memcached was closed', { retryable: false })
}

function malformed(): BackendError {
  return new BackendError('Memcached sent what is not its protocol: is it a Memcached?')
}

/** The size is what its option `-I` allows, 1 MiB when it is not given. */
function refusal(line: string): Error {
  if (line.includes('too large'))
    return new LimitExceeded(
      'value too large for Memcached: its option -I says how large it may be',
    )
  const retryable = line.startsWith('SERVER_ERROR')
  return new BackendError(`Memcached refused a command: ${line}`, { retryable })
}
