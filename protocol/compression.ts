/** Compression of a body, by alias and by the name in the `compression` header; no bombs. */

import zlib from 'node:zlib'
import { CeleryError, DecodeError, EncodeError, LimitExceeded } from './errors.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'

export interface Compression {
  /** What the `compression` header says. */
  readonly contentType: string
  compress(body: Buffer): Buffer
  /** Must stop at `maxOutputLength` bytes, not after them. */
  decompress(body: Buffer, maxOutputLength: number): Buffer
}

/** Below this size the ratio does not matter. */
const SMALL = 1024 * 1024

/**
 * @see kombu 5.6, compression.py:
 *
 *     gzip, zlib        application/x-gzip     zlib.compress: RFC 1950, whatever the name says
 *     bzip2, bzip       application/x-bz2      not in Node
 *     lzma, xz          application/x-lzma     not in Node; the .xz container
 *     brotli            application/x-brotli
 *     zstd, zstandard   application/zstd       in Node from 22.15
 */
const KNOWN: ReadonlyMap<string, readonly string[]> = new Map([
  ['application/x-gzip', ['gzip', 'zlib']],
  ['application/x-bz2', ['bzip2', 'bzip']],
  ['application/x-lzma', ['lzma', 'xz']],
  ['application/x-brotli', ['brotli']],
  ['application/zstd', ['zstd', 'zstandard']],
])

export class CompressionRegistry {
  readonly #byName = new Map<string, Compression>()

  constructor() {
    for (const compression of builtIn()) {
      this.register(KNOWN.get(compression.contentType) ?? [], compression)
    }
  }

  /** Takes the place of one with the same alias or content type. */
  register(aliases: string | readonly string[], compression: Compression): void {
    const names = typeof aliases === 'string' ? [aliases] : aliases
    for (const name of [...names, compression.contentType]) this.#byName.set(name, compression)
  }

  /** @throws EncodeError */
  compress(name: string, body: Buffer): { body: Buffer; contentType: string } {
    const compression = this.#byName.get(name)
    if (compression === undefined) throw new EncodeError(this.#unknown(name))
    try {
      return { body: compression.compress(body), contentType: compression.contentType }
    } catch (error) {
      throw new EncodeError(`cannot compress with ${name}`, { cause: error })
    }
  }

  /** @throws DecodeError; LimitExceeded when it would grow beyond the limits */
  decompress(nameOrContentType: string, body: Buffer, limits: Limits = DEFAULT_LIMITS): Buffer {
    const compression = this.#byName.get(nameOrContentType)
    if (compression === undefined) throw new DecodeError(this.#unknown(nameOrContentType))
    const most = maxOutputLength(body, limits)
    const output = decompressAtMost(compression, body, most)
    if (output.length > most) throw tooLarge(most)
    return output
  }

  #unknown(name: unknown): string {
    const shown = String(name)
      .slice(0, 100)
      .replace(/[^\x20-\x7e]/g, '?')
    const known = [...KNOWN].some(([type, aliases]) =>
      [type, ...aliases].some((alias) => alias === name),
    )
    if (known)
      return `compression '${shown}' is not in this Node: register it with a package that has it`
    return `unknown compression '${shown}': use one of ${[...this.#byName.keys()].join(', ')}, or register it`
  }
}

function maxOutputLength(body: Buffer, { maxBodyBytes, maxRatio }: Limits): number {
  return Math.min(maxBodyBytes, Math.max(SMALL, body.length * maxRatio))
}

function decompressAtMost(compression: Compression, body: Buffer, most: number): Buffer {
  try {
    return compression.decompress(body, most)
  } catch (error) {
    if (error instanceof CeleryError) throw error
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(most)
    throw new DecodeError(`the ${compression.contentType} body cannot be decompressed`, {
      cause: error,
    })
  }
}

function tooLarge(most: number): LimitExceeded {
  return new LimitExceeded(`the body would decompress to more than ${most} bytes`)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function builtIn(): readonly Compression[] {
  const zstd = zstdCompression()
  return zstd === undefined ? [GZIP, BROTLI] : [GZIP, BROTLI, zstd]
}

/** Reads real gzip too, which kombu would refuse. */
const GZIP: Compression = {
  contentType: 'application/x-gzip',
  compress: (body) => zlib.deflateSync(body),
  decompress: (body, most) => zlib.unzipSync(body, { maxOutputLength: most }),
}

const BROTLI: Compression = {
  contentType: 'application/x-brotli',
  compress: (body) =>
    zlib.brotliCompressSync(body, {
      params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    }),
  decompress: (body, most) => zlib.brotliDecompressSync(body, { maxOutputLength: most }),
}

type ZstdSync = (body: Buffer, options: Readonly<Record<string, number>>) => Buffer

/** Only where this Node has it; its types are of an older one. */
function zstdCompression(): Compression | undefined {
  const compress: unknown = Reflect.get(zlib, 'zstdCompressSync')
  const decompress: unknown = Reflect.get(zlib, 'zstdDecompressSync')
  if (typeof compress !== 'function' || typeof decompress !== 'function') return undefined
  return {
    contentType: 'application/zstd',
    // kombu's decoder wants the size of the content in the frame.
    compress: (body) => (compress as ZstdSync)(body, { pledgedSrcSize: body.length }),
    decompress: (body, most) => (decompress as ZstdSync)(body, { maxOutputLength: most }),
  }
}
