/** Pickle: what Python wrote is read as data, what we write Python reads, and nothing is ever called. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { CeleryError, DecodeError, EncodeError, LimitExceeded } from '../../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import { PlainDate, PlainTime, PythonDateTime } from '../../../protocol/python/datetime.ts'
import { Decimal } from '../../../protocol/python/decimal.ts'
import { Uuid } from '../../../protocol/python/uuid.ts'
import { dumps, loads } from '../../../protocol/serialization/json.ts'
import {
  pickle,
  pickleDumps,
  pickleGroup,
  pickleLoads,
  unpickleGroup,
} from '../../../protocol/serialization/pickle.ts'
import { decodeMeta, type ResultTuple } from '../../../protocol/result.ts'
import { expectCalm } from '../calm.ts'
import { amqpMessages, bytes, capture, walk } from '../captures.ts'

interface Vector {
  readonly how: string
  readonly json: string
  readonly pickles: readonly { readonly protocols: readonly number[]; readonly base64: string }[]
}

const vectors = capture('562.vectors.pickle')['values'] as readonly Vector[]

/** JSON has no sets. */
const plain = (value: unknown): unknown =>
  value instanceof Set ? [...(value as Set<unknown>)] : value
/** A pickle of protocol 0: each line an opcode with its argument. */
const lines = (...parts: readonly string[]): Buffer => Buffer.from(parts.join('\n'), 'latin1')

describe('pickle', () => {
  for (const { how, json, pickles } of vectors) {
    it(`reads ${how.slice(0, 80)} in every protocol`, () => {
      expect(pickles.flatMap(({ protocols }) => protocols)).to.have.members([0, 1, 2, 3, 4, 5])
      for (const { base64, protocols } of pickles) {
        const read = plain(pickleLoads(Buffer.from(base64, 'base64')))
        expect(dumps(read), `protocol ${protocols.join()}`).to.equal(dumps(loads(json)))
      }
    })

    it(`writes ${how.slice(0, 80)} so that it reads the same again`, () => {
      const [first] = pickles
      const value = pickleLoads(Buffer.from(first?.base64 ?? '', 'base64'))
      expect(pickleLoads(pickleDumps(value))).to.deep.equal(value)
    })
  }

  for (const version of ['562', '526']) {
    it(`reads the body of ${version}.amqp.serializer-pickle, and writes one like it`, () => {
      const [message] = amqpMessages(`${version}.amqp.serializer-pickle`)
      expect(message).to.include({ contentType: pickle.contentType, contentEncoding: 'binary' })
      const body = [
        [1, 'é', [1.5, null, true]],
        { k: { a: 1 } },
        { callbacks: null, errbacks: null, chain: null, chord: null },
      ]
      expect(pickleLoads(message?.body ?? Buffer.alloc(0))).to.deep.equal(body)
      expect(pickleLoads(pickleDumps(body))).to.deep.equal(body)
    })
  }

  describe('of a time in a zone that is known by its name', () => {
    const zoned = (callable: string, state: string): string => {
      const pickled = `\x80\x04cdatetime\ndatetime\nC\x0a${state}${callable}\x86R.`
      return (pickleLoads(Buffer.from(pickled, 'latin1')) as PythonDateTime).isoformat()
    }
    const zoneinfo = (name: string): string =>
      `cbuiltins\ngetattr\nczoneinfo\nZoneInfo\nX\x09\0\0\0_unpickle\x86R` +
      `X${String.fromCharCode(name.length)}\0\0\0${name}K\x01\x86R`

    for (const [what, state, expected] of [
      ['in summer', '\x07\xea\x07\x01\x0c\0\0\0\0\0', '2026-07-01T12:00:00+02:00'],
      ['in winter', '\x07\xea\x01\x01\x0c\0\0\0\0\0', '2026-01-01T12:00:00+01:00'],
      ['shown first', '\x07\xea\x0a\x19\x02\x1e\0\0\0\0', '2026-10-25T02:30:00+02:00'],
      ['shown again', '\x07\xea\x8a\x19\x02\x1e\0\0\0\0', '2026-10-25T02:30:00+01:00'],
      ['skipped', '\x07\xea\x03\x1d\x02\x1e\0\0\0\0', '2026-03-29T02:30:00+01:00'],
    ] as const) {
      it(`reads one ${what}`, () => {
        expect(zoned(zoneinfo('Europe/Prague'), state)).to.equal(expected)
      })
    }

    it('reads one of pytz, and refuses a zone that is none', () => {
      const noon = '\x07\xea\x07\x01\x0c\0\0\0\0\0'
      const pytz = (args: string): string => `cpytz\n_p\n(${args}tR`
      expect(zoned(pytz('VEurope/Prague\nI7200\nI3600\nVCEST\n'), noon)).to.match(/\+02:00$/)
      expect(zoned(pytz('VEtc/GMT-3\n'), noon)).to.match(/\+03:00$/)
      for (const zone of [zoneinfo('Mars/Base'), zoneinfo('+02:00'), pytz('VX\nI90000\n')]) {
        expect(() => zoned(zone, noon)).to.throw(DecodeError)
      }
    })
  })

  it('names the class of a member of an Enum', () => {
    const member = Buffer.from('cbuiltins\ngetattr\n(cproj\nColor\nVRED\ntR.')
    expect(() => pickleLoads(member)).to.throw(DecodeError, /proj\.Color.*plain values/)
  })

  it('reads the result of 562.redis.backend-result-pickle', () => {
    const stored = [...walk(capture('562.redis.backend-result-pickle'))].flatMap((value) => {
      try {
        const read = pickleLoads(bytes(value))
        return typeof read === 'object' ? [decodeMeta(read, 'x')] : []
      } catch {
        return []
      }
    })
    expect(stored).to.have.length.above(0)
    expect(stored[0]).to.include({ status: 'SUCCESS' })
  })

  describe('of values', () => {
    it('keeps what kombu has types for', () => {
      const value = {
        datetime: new PythonDateTime(1_700_000_000_123, { microseconds: 456, offset: -19_800 }),
        naive: new PythonDateTime(0),
        date: new PlainDate(2024, 2, 29),
        time: new PlainTime(1, 2, 3, 4, 3600),
        decimal: new Decimal('1.50'),
        uuid: new Uuid('12345678123456781234567812345678'),
        bytes: Buffer.from([0, 255]),
        set: new Set(['a', 1]),
        big: 2n ** 100n,
        negative: -(2n ** 64n),
        fraction: 0.1,
      }
      expect(pickleLoads(pickleDumps(value))).to.deep.equal(value)
    })

    it('tells integers from floats as JSON does', () => {
      const spelled = (value: unknown): string => pickleDumps(value).toString('hex')
      expect(spelled(5)).to.equal('80044b052e')
      expect(spelled(-1)).to.equal('80044affffffff2e')
      expect(spelled(1.5)).to.equal('8004473ff80000000000002e')
      expect(spelled(-0)).to.equal('80044780000000000000002e')
      expect(spelled(2 ** 53)).to.equal('80044743400000000000002e')
      expect(spelled(2n ** 53n)).to.equal('80048a07000000000000202e')
      expect(spelled(128n)).to.equal('80048a0280002e')
    })

    it('reads back whatever JSON can hold', () => {
      fc.assert(
        fc.property(fc.jsonValue(), (value) => {
          expect(pickleLoads(pickleDumps(value))).to.deep.equal(loads(dumps(value)))
        }),
      )
    })

    it('reads back integers and text of any kind', () => {
      const any = fc.oneof(fc.bigInt(), fc.string({ unit: 'binary' }))
      fc.assert(
        fc.property(any, (value) => {
          const safe = typeof value === 'bigint' && Number.isSafeInteger(Number(value))
          expect(pickleLoads(pickleDumps(value))).to.equal(safe ? Number(value) : value)
        }),
      )
    })

    it('says where the value lies that it cannot write', () => {
      const cycle: unknown[] = []
      cycle.push(cycle)
      expect(() => pickleDumps({ a: [1, () => {}] })).to.throw(EncodeError, '(at .a[1])')
      expect(() => pickleDumps(cycle)).to.throw(EncodeError, 'circular')
      expect(() => pickleDumps(new Date(NaN))).to.throw(EncodeError, 'years 1 and 9999')
      expect(() => pickleDumps(new Map())).to.throw(EncodeError, 'Map')
    })

    it('gives a group of results as Python pickles it', () => {
      const task = (id: string, parent: ResultTuple | null = null): ResultTuple => [
        [id, parent],
        null,
      ]
      const inner: ResultTuple = [['inner', null], [task('b')]]
      const group: ResultTuple = [
        ['g', task('before')],
        [task('a', task('p')), inner],
      ]
      expect(unpickleGroup(pickleGroup(group))).to.deep.equal(group)
      expect(() => unpickleGroup(pickleDumps({ a: 1 }))).to.throw(DecodeError, 'group')
    })
  })

  describe('of a stranger', () => {
    const hostile: readonly (readonly [what: string, pickle: Buffer, reason: string])[] = [
      ['os.system', lines('cos', "system\n(S'touch /tmp/x'", 'tR.'), 'os.system'],
      ['eval', lines('c__builtin__', "eval\n(S'1'", 'tR.'), 'builtins.eval'],
      [
        'getattr',
        Buffer.from('\x80\x04\x8c\x08builtins\x8c\x07getattr\x93)R.', 'latin1'),
        'getattr',
      ],
      ['a class alone', lines('cposix', 'system', '.'), 'posix.system'],
      ['an old-style instance', lines("(S'id'", 'ios', 'system', '.'), 'os.system'],
      ['exceptions that end a process', lines('c__builtin__', 'SystemExit', ')R.'), 'SystemExit'],
      [
        'a name with a line in it',
        Buffer.from('\x80\x04\x8c\x03a\nb\x8c\x01c\x93)R.', 'latin1'),
        'a?b.c',
      ],
      ['a persistent id', lines('P1', '.'), 'opcode'],
      ['an extension', Buffer.from('\x80\x04\x82\x01.', 'latin1'), 'opcode'],
      [
        'a zone without a time',
        lines('cdatetime', 'timezone', '(cdatetime', 'timedelta', ')RtR.'),
        'zone',
      ],
      ['a key that is a list', Buffer.from('}]Ns.', 'latin1'), 'key'],
      ['a datetime of 31 February', datetime('07e8021f0000000000', 10), 'datetime'],
      ['a stack that is empty', Buffer.from('.'), 'well formed'],
      ['a mark that is missing', Buffer.from('t.'), 'well formed'],
      ['a memo that is empty', Buffer.from('h\0.', 'latin1'), 'well formed'],
      ['an end that is missing', Buffer.from('N'), 'too early'],
      ['a length beyond the end', Buffer.from('X\xff\xff\xff\x7f.', 'latin1'), 'too early'],
      [
        'a length beyond all memory',
        Buffer.from('\x8d\xff\xff\xff\xff\xff\xff\xff\xff.', 'latin1'),
        'too early',
      ],
      ['text that is no UTF-8', Buffer.from('\x8c\x01\xff.', 'latin1'), 'UTF-8'],
    ]
    for (const [what, body, reason] of hostile) {
      it(`is refused with ${what}`, () => {
        expect(() => pickleLoads(body)).to.throw(DecodeError, reason)
      })
    }

    it('cannot reach the prototype of anything', () => {
      const polluting = Buffer.from("}(S'__proto__'\n}S'polluted'\nI1\nsu.", 'latin1')
      expect(() => pickleLoads(polluting)).to.throw(DecodeError, '__proto__')
      expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined)
    })

    it('cannot nest without end, nor hold itself', () => {
      const deep = Buffer.concat([
        Buffer.alloc(100_000, '('),
        Buffer.alloc(100_000, 'l'),
        Buffer.from('.'),
      ])
      expect(() => pickleLoads(deep)).to.throw(LimitExceeded, 'nests deeper than 64')
      expect(() => pickleLoads(Buffer.from(']q\0h\0a.', 'latin1'))).to.throw(
        LimitExceeded,
        'deeper',
      )
    })

    it('cannot make much of little', () => {
      // each list holds ten times the one before
      const level = `q\0(${'h\0'.repeat(10)}lq\0`
      const bomb = Buffer.from(`]${level.repeat(20)}.`, 'latin1')
      expect(() => pickleLoads(bomb, { ...DEFAULT_LIMITS, maxBodyBytes: 1_000_000 })).to.throw(
        LimitExceeded,
        'holds more',
      )
      const text = `X\x10\x27\0\0${'a'.repeat(10_000)}q\0(${'h\0'.repeat(1000)}l.`
      expect(() =>
        pickleLoads(Buffer.from(text, 'latin1'), { ...DEFAULT_LIMITS, maxBodyBytes: 1_000_000 }),
      ).to.throw(LimitExceeded, 'holds more')
    })

    it('cannot fill the memory with what takes a byte each', () => {
      for (const byte of [']', '}', '(', '2']) {
        const body = Buffer.concat([Buffer.from(']'), Buffer.alloc(1_000_000, byte)])
        expect(
          () => pickleLoads(body, { ...DEFAULT_LIMITS, maxBodyBytes: 1_000_001 }),
          byte,
        ).to.throw(CeleryError)
      }
      const lists = Buffer.alloc(200_000, ']')
      expect(() => pickleLoads(lists, { ...DEFAULT_LIMITS, maxBodyBytes: 1_000_000 })).to.throw(
        LimitExceeded,
        'holds more',
      )
    })

    it('cannot make many objects of few, nor copy the same again and again', () => {
      const limits = { ...DEFAULT_LIMITS, maxBodyBytes: 1_000_000 }
      const objects = `]q\0(${'h\0'.repeat(10)}lq\x01(${'h\x01'.repeat(10_000)}l.`
      expect(() => pickleLoads(Buffer.from(objects, 'latin1'), limits)).to.throw(
        LimitExceeded,
        'holds more',
      )
      const items = 'K\x01'.repeat(1000)
      const copies = `cbuiltins\nlist\nq\0(${items}lq\x01${'h\0h\x01\x85R0'.repeat(2000)}N.`
      expect(() => pickleLoads(Buffer.from(copies, 'latin1'), limits)).to.throw(
        LimitExceeded,
        'holds more',
      )
    })

    it('cannot keep us busy with one number', () => {
      expectCalm(() => pickleLoads(Buffer.from(`I${'9'.repeat(900_000)}\n.`)))
      const long = Buffer.concat([Buffer.from([0x8b, 0, 0, 1, 0]), Buffer.alloc(65_536, 0xff)])
      expect(() => pickleLoads(Buffer.concat([long, Buffer.from('.')]))).to.throw(
        DecodeError,
        'long',
      )
    })

    it('is refused when it is too long', () => {
      const limits = { ...DEFAULT_LIMITS, maxBodyBytes: 3 }
      expect(() => pickleLoads(Buffer.from('(dS.'), limits)).to.throw(LimitExceeded)
    })

    it('is refused with a typed error, whatever it sends', () => {
      const real = vectors.flatMap(({ pickles }) =>
        pickles.map(({ base64 }) => Buffer.from(base64, 'base64')),
      )
      const changed = fc
        .tuple(fc.constantFrom(...real), fc.nat(), fc.nat(255))
        .map(([body, at, byte]) => {
          const copy = Buffer.from(body)
          copy[at % copy.length] = byte
          return copy
        })
      const random = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array))
      fc.assert(
        fc.property(fc.oneof(changed, random), (body) => {
          try {
            pickleLoads(body)
          } catch (error) {
            expect(error).to.be.instanceOf(CeleryError)
            expect((error as CeleryError).code).to.be.oneOf(['ERR_DECODE', 'ERR_LIMIT_EXCEEDED'])
          }
        }),
        { numRuns: 3000 },
      )
    })
  })
})

function datetime(hex: string, length: number): Buffer {
  const state = Buffer.alloc(length)
  Buffer.from(hex, 'hex').copy(state)
  return Buffer.concat([
    Buffer.from('\x80\x04\x8c\x08datetime\x8c\x08datetime\x93C', 'latin1'),
    Buffer.of(length),
    state,
    Buffer.from('\x85R.', 'latin1'),
  ])
}
