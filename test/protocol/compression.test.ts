/** Compressed bodies, round trips and bombs. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import zlib from 'node:zlib'
import { CompressionRegistry } from '../../protocol/compression.ts'
import { CeleryError, DecodeError, EncodeError, LimitExceeded } from '../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { json } from '../../protocol/serialization/json.ts'
import { amqpMessages } from './captures.ts'

const registry = new CompressionRegistry()
const hasZstd = 'zstdCompressSync' in zlib
const BUILT_IN = ['gzip', 'zlib', 'brotli', ...(hasZstd ? ['zstd', 'zstandard'] : [])]
const MISSING = ['bzip2', 'bzip', 'lzma', 'xz', ...(hasZstd ? [] : ['zstd', 'zstandard'])]

describe('CompressionRegistry', () => {
  for (const version of ['562', '526']) {
    for (const name of ['zlib', 'gzip', 'brotli', ...(hasZstd ? ['zstd'] : [])]) {
      it(`reads the body of ${version}.amqp.compression-${name}`, () => {
        const [message] = amqpMessages(`${version}.amqp.compression-${name}`)
        if (message === undefined) throw new Error('no message')
        const header = String(message.headers['compression'])
        const body = registry.decompress(header, message.body)
        const [args] = json.decode(body, DEFAULT_LIMITS) as unknown[]
        expect(args).to.deep.equal(['a'.repeat(200)])
        const again = registry.compress(name, body)
        expect(again.contentType).to.equal(header)
        // Node's deflate finds other matches than Python's: other bytes, the same contents.
        if (name === 'brotli') expect(again.body).to.deep.equal(message.body)
        else expect(registry.decompress(name, again.body)).to.deep.equal(body)
      })
    }
  }

  it('writes a zlib stream under the name gzip, and reads both', () => {
    const { body, contentType } = registry.compress('gzip', Buffer.from('text'))
    expect(contentType).to.equal('application/x-gzip')
    expect(body[0]).to.equal(0x78)
    expect(registry.decompress(contentType, zlib.gzipSync('text')).toString()).to.equal('text')
  })

  it('gives back what it was given', () => {
    fc.assert(
      fc.property(fc.constantFrom(...BUILT_IN), fc.uint8Array(), (name, bytes) => {
        const { body, contentType } = registry.compress(name, Buffer.from(bytes))
        expect(registry.decompress(contentType, body)).to.deep.equal(Buffer.from(bytes))
      }),
    )
  })

  it('says of a known one that it can be registered, and names the others', () => {
    for (const name of MISSING) {
      expect(() => registry.compress(name, Buffer.alloc(1))).to.throw(EncodeError, 'register it')
      expect(() => registry.decompress(name, Buffer.alloc(1))).to.throw(DecodeError, 'register it')
    }
    expect(() => registry.decompress('toString', Buffer.alloc(1))).to.throw(DecodeError, 'gzip')
  })

  it('takes another compression', () => {
    const own = new CompressionRegistry()
    own.register(['bzip2', 'bzip'], {
      contentType: 'application/x-bz2',
      compress: (body) => Buffer.from(body.toReversed()),
      decompress: (body) => Buffer.from(body.toReversed()),
    })
    const { body, contentType } = own.compress('bzip', Buffer.from('abc'))
    expect(own.decompress(contentType, body).toString()).to.equal('abc')
    const small = { ...DEFAULT_LIMITS, maxBodyBytes: 2 }
    expect(() => own.decompress('bzip2', body, small)).to.throw(LimitExceeded)
  })

  it('refuses a bomb before it is unpacked', () => {
    const bomb = (bytes: number): Buffer =>
      zlib.brotliCompressSync(Buffer.alloc(bytes), {
        params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 },
      })
    expect(() => registry.decompress('brotli', bomb(65 * 1024 * 1024))).to.throw(LimitExceeded)
    // Over the ratio, though far below the size.
    expect(() => registry.decompress('brotli', bomb(2 * 1024 * 1024))).to.throw(
      LimitExceeded,
      '1048576',
    )
    // A small body may shrink as much as it likes.
    expect(registry.decompress('brotli', bomb(1024 * 1024))).to.have.length(1024 * 1024)
  })

  it('refuses more than the limit in each compression', () => {
    const limits = { ...DEFAULT_LIMITS, maxBodyBytes: 1000 }
    for (const name of BUILT_IN) {
      const { body } = registry.compress(name, Buffer.alloc(1001))
      expect(() => registry.decompress(name, body, limits), name).to.throw(LimitExceeded)
      const fitting = registry.compress(name, Buffer.alloc(1000)).body
      expect(registry.decompress(name, fitting, limits)).to.have.length(1000)
    }
  })

  it('throws nothing but a CeleryError on random bytes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...BUILT_IN), fc.uint8Array(), (name, bytes) => {
        try {
          registry.decompress(name, Buffer.from(bytes))
        } catch (error) {
          expect(error).to.be.instanceOf(CeleryError)
        }
      }),
    )
    const { body } = registry.compress('zlib', Buffer.from('cut short'))
    expect(() => registry.decompress('zlib', body.subarray(0, 8))).to.throw(DecodeError)
  })
})
