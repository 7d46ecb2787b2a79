/** Results as files in a directory: one for each key, as Celery's file-system backend keeps them. */

import { randomUUID } from 'node:crypto'
import { readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { BackendError, ImproperlyConfigured } from '../errors.ts'
import type { BackendDeps } from './deps.ts'
import { KeyValueBackend, type ByteStore } from './key-value-backend.ts'

/** The texts are Celery's. @see celery 5.6, backends/filesystem.py */
const NO_SCHEME = 'A path for the file-system backend should conform to the file URI scheme'
const NO_PATH = 'You need to configure a path for the file-system backend'
const PATH_INVALID =
  'The configured path for the file-system backend does not work correctly, ' +
  'please make sure that it exists and has the correct permissions.'

/** What is written begins as such a file. No key of Celery's does. */
const UNFINISHED = '.celeriac-'
/** Seconds after which an unfinished file is left over from a process that died. */
const UNFINISHED_SECONDS = 3600
/** Files that are open at once. */
const MAX_OPEN = 32

/** There is no such file, or there can be none of such a long name. */
const MISSING: ReadonlySet<string> = new Set(['ENOENT', 'ENAMETOOLONG'])

/** What may be over soon. @see errno(3) */
const TRANSIENT: ReadonlySet<string> = new Set([
  'EAGAIN',
  'EBUSY',
  'EDQUOT',
  'EIO',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOSPC',
  'ESTALE',
  'ETIMEDOUT',
])

/** @see celery 5.6, backends/filesystem.py, `FilesystemBackend` */
export class FileBackend extends KeyValueBackend {
  readonly #files: Files

  constructor(url: string, deps: BackendDeps) {
    const files = new Files(url)
    super(files, deps)
    this.#files = files
  }

  /** Deletes what was not written since `result_expires` seconds. */
  async cleanup(): Promise<void> {
    const { keys, expires } = this.keyValue
    if (expires === 0) return
    await this.#files.cleanup([keys.task(''), keys.group(''), keys.chordUnlock('')], expires)
  }
}

class Files implements ByteStore {
  readonly address: string
  readonly #path: string
  #started: Promise<void> | undefined

  constructor(url: string) {
    this.#path = pathOf(url)
    this.address = url
  }

  /** @throws ImproperlyConfigured when files cannot be written and read there */
  start(): Promise<void> {
    this.#started ??= this.#probe()
    return this.#started
  }

  async close(): Promise<void> {}

  /** A name of a file: who sent the task chose it, and it must not lead out of the directory. */
  check(_key: string, id: string): void {
    if (!/[/\0]/.test(id) && !id.includes(sep)) return
    throw new BackendError('an id with a slash in it cannot be kept in a file', {
      retryable: false,
    })
  }

  async getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    await this.start()
    const values: (Buffer | undefined)[] = []
    for (let from = 0; from < keys.length; from += MAX_OPEN) {
      const some = keys.slice(from, from + MAX_OPEN)
      values.push(...(await Promise.all(some.map((key) => this.#read(key)))))
    }
    return values
  }

  /** Who reads sees the whole of it, or what was there before. */
  async set(key: string, value: Buffer): Promise<void> {
    await this.start()
    const unfinished = join(this.#path, `${UNFINISHED}${randomUUID()}`)
    try {
      await writeFile(unfinished, value)
      await rename(unfinished, this.#file(key))
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => {})
      throw fileError('written', error)
    }
  }

  async delete(key: string): Promise<void> {
    await this.start()
    await unlink(this.#file(key)).catch(unlessMissing('deleted'))
  }

  async cleanup(prefixes: readonly string[], expires: number): Promise<void> {
    await this.start()
    const names = await readdir(this.#path).catch(rethrow('listed'))
    const now = Date.now()
    for (const name of names) {
      const seconds = name.startsWith(UNFINISHED)
        ? UNFINISHED_SECONDS
        : prefixes.some((prefix) => name.startsWith(prefix)) && expires
      if (seconds !== false) await this.#deleteBefore(name, now - seconds * 1000)
    }
  }

  async #deleteBefore(name: string, time: number): Promise<void> {
    const file = this.#file(name)
    const written = await stat(file).catch(unlessMissing('looked at'))
    if (written !== undefined && written.isFile() && written.mtimeMs < time)
      await unlink(file).catch(unlessMissing('deleted'))
  }

  async #read(key: string): Promise<Buffer | undefined> {
    return await readFile(this.#file(key)).catch(unlessMissing('read'))
  }

  async #probe(): Promise<void> {
    const probe = join(this.#path, `.fs-backend-${randomUUID()}`)
    try {
      await writeFile(probe, 'test value')
      await readFile(probe)
      await unlink(probe)
    } catch (cause) {
      this.#started = undefined
      if (TRANSIENT.has(codeOf(cause))) throw fileError('written', cause)
      throw new ImproperlyConfigured(PATH_INVALID, { cause })
    }
  }

  #file(key: string): string {
    return this.#path + sep + key
  }
}

/** Nothing in it is percent-decoded, as in Celery. */
function pathOf(url: string): string {
  const path = url.startsWith('file://localhost/') ? url.slice(16) : url.slice(7)
  if (!url.startsWith('file://')) throw new ImproperlyConfigured(NO_SCHEME)
  if (path === '') throw new ImproperlyConfigured(NO_PATH)
  return process.platform === 'win32' ? path.replace(/^\//, '') : path
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function fileError(done: string, cause: unknown): BackendError {
  const code = codeOf(cause)
  const message = `the file of a result could not be ${done}: ${code || String(cause)}`
  return new BackendError(message, { cause, retryable: TRANSIENT.has(code) })
}

function rethrow(done: string): (error: unknown) => never {
  return (error) => {
    throw fileError(done, error)
  }
}

function unlessMissing(done: string): (error: unknown) => undefined {
  return (error) => {
    if (!MISSING.has(codeOf(error))) throw fileError(done, error)
    return undefined
  }
}
