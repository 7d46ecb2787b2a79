/** Keeps what was revoked in a file, so that it stays revoked when the worker is started again. */

import { createHash, type Hash } from 'node:crypto'
import { open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { isPlainObject, own, type PlainObject } from '../../protocol/plain.ts'
import { DecodeError, TimeoutError } from '../errors.ts'
import { SYSTEM_CLOCK, type Cancel, type Clock } from '../runtime/clock.ts'
import type { LamportClock } from '../runtime/lamport.ts'
import { oneLine, type Logger } from '../runtime/log.ts'
import { deadline } from '../runtime/retry.ts'
import type { Service } from '../runtime/service.ts'
import type { RevokedEntry } from './revoked.ts'
import type { WorkerState } from './state.ts'

export interface StateDbOptions {
  readonly path: string
  readonly state: Pick<WorkerState, 'revoked' | 'revokedStamps' | 'onRevoked'>
  readonly lamport: LamportClock
  readonly log: Logger
  readonly clock?: Clock
}

const VERSION = 1
/** More than a full set of ids of the greatest length. */
const MAX_BYTES = 2 ** 27
/** Milliseconds from the end of one save to the next: what comes meanwhile is saved together. */
const PAUSE_MS = 500
/** Milliseconds until a save that failed is tried again. */
const RETRY_MS = 30_000
/** Seconds that the file system may take at the start and at the end. */
const TIMEOUT = 5
/** Entries that are written at a time: the event loop has its turn in between. */
const BATCH = 1000

/** What stands before the checksum at the end of the file. */
const CHECKSUM = ',\n"sha256":'

/**
 * JSON, not the shelve of Python's workers, which cannot read it, nor we theirs:
 *
 *     {"version":1,"clock":7,"revoked":[["id",1700000000000],…],"stamps":[["[header,stamp]",…],…],
 *     "sha256":"…"}
 *
 * The checksum is that of all that stands before its comma. A save replaces the file as a whole. It
 * follows a change at once, so that also a worker that is killed leaves its revokes behind; Celery's
 * saves at the end only, without stamps, and by a clock that begins anew when the machine does.
 *
 * Nothing here ends a worker: what cannot be read is told and put aside, what cannot be written is
 * told and tried again.
 *
 * @see celery 5.6, worker/state.py, `Persistent`
 */
export class StateDb implements Service {
  readonly #options: StateDbOptions
  readonly #clock: Clock
  #cancel: Cancel | undefined
  #saving: Promise<void> | undefined
  #changed = false
  #failing = false
  /** The file was read: only then it may be written, for it may be another's. */
  #open = false

  constructor(options: StateDbOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
  }

  /** Takes over what the file has. */
  async start(): Promise<void> {
    const { log, path, state } = this.#options
    try {
      await deadline(this.#load(), TIMEOUT, tooLong)
      state.onRevoked = () => this.#onRevoked()
      this.#open = true
    } catch (error) {
      log.warning(`statedb: Cannot read '${path}', going on without it: ${reason(error)}`)
    }
  }

  /** Saves for the last time. */
  async stop(): Promise<void> {
    const { log, path, state } = this.#options
    if (!this.#open) return
    this.#open = false
    state.onRevoked = () => {}
    this.#cancel?.()
    try {
      await deadline(this.#saveLast(), TIMEOUT, tooLong)
    } catch (error) {
      log.warning(`statedb: Cannot save '${path}': ${reason(error)}`)
    }
  }

  async #saveLast(): Promise<void> {
    await this.#saving
    await this.#write()
  }

  async #load(): Promise<void> {
    const { path, log } = this.#options
    const content = await read(path)
    if (content === undefined) return
    try {
      this.#merge(parse(content))
    } catch (error) {
      const aside = `${path}.corrupt`
      log.warning(`statedb: '${path}' is put aside as '${aside}': ${reason(error)}`)
      await rename(path, aside)
    }
  }

  #merge(content: PlainObject): void {
    const { state, lamport } = this.#options
    const revoked = entriesOf(content, 'revoked')
    const stamps = entriesOf(content, 'stamps')
    const clock = own(content, 'clock')
    state.revoked.merge(revoked)
    state.revokedStamps.merge(stamps)
    if (Number.isSafeInteger(clock)) lamport.adjust(clock as number)
  }

  /** The first of many is saved at once, the others together a little later. */
  #onRevoked(): void {
    this.#changed = true
    if (this.#saving === undefined && this.#cancel === undefined) this.#saveIn(0)
  }

  #saveIn(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => {
      this.#cancel = undefined
      if (this.#changed && this.#open) this.#saving = this.#save()
    })
  }

  /** Never rejects. */
  async #save(): Promise<void> {
    const { log, path } = this.#options
    this.#changed = false
    try {
      await this.#write()
      if (this.#failing) log.info(`statedb: '${path}' can be written again`)
      this.#failing = false
    } catch (error) {
      this.#changed = true
      if (!this.#failing) log.warning(`statedb: Cannot save '${path}': ${reason(error)}`)
      this.#failing = true
    }
    this.#saving = undefined
    if (this.#open) this.#saveIn(this.#failing ? RETRY_MS : PAUSE_MS)
  }

  /** To another file first, which then takes the place of the old one. */
  async #write(): Promise<void> {
    const { path } = this.#options
    const next = `${path}.tmp`
    await rm(next, { force: true })
    const file = await open(next, 'wx', 0o600)
    try {
      await this.#writeTo(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(next, path)
  }

  async #writeTo(file: FileHandle): Promise<void> {
    const { state, lamport } = this.#options
    const hash = createHash('sha256')
    const append = (text: string): Promise<void> => appendTo(file, hash, text)
    await append(`{"version":${VERSION},"clock":${lamport.forward()},"revoked":[`)
    await appendEntries(append, state.revoked.entries())
    await append('],"stamps":[')
    await appendEntries(append, state.revokedStamps.entries())
    await append(']')
    await file.appendFile(`${CHECKSUM}"${hash.digest('hex')}"}\n`)
  }
}

async function appendTo(file: FileHandle, hash: Hash, text: string): Promise<void> {
  hash.update(text)
  await file.appendFile(text)
}

async function appendEntries(
  append: (text: string) => Promise<void>,
  entries: readonly RevokedEntry[],
): Promise<void> {
  for (let at = 0; at < entries.length; at += BATCH) {
    const lines = entries.slice(at, at + BATCH).map((entry) => `\n${JSON.stringify(entry)}`)
    await append((at === 0 ? '' : ',') + lines.join(','))
  }
}

/** Undefined when there is none yet. */
async function read(path: string): Promise<string | undefined> {
  try {
    const file = await stat(path)
    if (!file.isFile()) throw new DecodeError('it is no file')
    if (file.size > MAX_BYTES)
      throw new DecodeError(`${file.size} bytes are more than any worker writes`)
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** @throws DecodeError when it is no file of ours, or not as it was written */
function parse(content: string): PlainObject {
  const end = content.lastIndexOf(CHECKSUM)
  const digest = createHash('sha256')
    .update(content.slice(0, Math.max(0, end)))
    .digest('hex')
  if (end < 0 || content.slice(end) !== `${CHECKSUM}"${digest}"}\n`) {
    throw new DecodeError('its checksum is wrong')
  }
  const value: unknown = JSON.parse(content)
  if (isPlainObject(value) && own(value, 'version') === VERSION) return value
  throw new DecodeError(`it is not of version ${VERSION}`)
}

/** @throws DecodeError */
function entriesOf(content: PlainObject, name: string): readonly RevokedEntry[] {
  const entries = own(content, name)
  if (Array.isArray(entries) && entries.every(isEntry)) return entries
  throw new DecodeError(`'${name}' is no list of ids and times`)
}

function isEntry(value: unknown): value is RevokedEntry {
  if (!Array.isArray(value)) return false
  const [id, since] = value as readonly unknown[]
  return typeof id === 'string' && Number.isFinite(since)
}

function tooLong(): TimeoutError {
  return new TimeoutError(`the file system took longer than ${TIMEOUT} s`)
}

function reason(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error))
}
