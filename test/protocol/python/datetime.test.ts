/** Python's isoformat, both ways, with what it refuses. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { DateTime } from 'luxon'
import { DecodeError, EncodeError } from '../../../protocol/errors.ts'
import {
  fromLuxon,
  isLuxonDateTime,
  isoformat,
  parseIsoformat,
  parsePlainTime,
  PlainDate,
  PlainTime,
  PythonDateTime,
} from '../../../protocol/python/datetime.ts'

/** Text, and what dateutil 2.9's isoparse makes of it, as isoformat() shows it. */
const READ: readonly (readonly [text: string, isoformat: string])[] = [
  ['2024-02-29T12:30:45', '2024-02-29T12:30:45'],
  ['2024-02-29T12:30:45Z', '2024-02-29T12:30:45+00:00'],
  ['2024-02-29 12:30:45z', '2024-02-29T12:30:45+00:00'],
  ['2024-02-29T12:30:45.1', '2024-02-29T12:30:45.100000'],
  ['2024-02-29T12:30:45.123Z', '2024-02-29T12:30:45.123000+00:00'],
  ['2024-02-29T12:30:45,123456789+05:30', '2024-02-29T12:30:45.123456+05:30'],
  ['20240229T123045.000001-0530', '2024-02-29T12:30:45.000001-05:30'],
  ['2024-02-29T12:30+05', '2024-02-29T12:30:00+05:00'],
  ['2024-02-29T12', '2024-02-29T12:00:00'],
  ['2024-02-29', '2024-02-29T00:00:00'],
  ['2024-02', '2024-02-01T00:00:00'],
  ['2024', '2024-01-01T00:00:00'],
  ['2024-060', '2024-02-29T00:00:00'],
  ['2024060T10', '2024-02-29T10:00:00'],
  ['2024-W09-4', '2024-02-29T00:00:00'],
  ['2024W094T1030', '2024-02-29T10:30:00'],
  ['2024-02-28T24:00', '2024-02-29T00:00:00'],
  ['0001-01-01T00:00:00+00:00', '0001-01-01T00:00:00+00:00'],
  ['9999-12-31T23:59:59.999999-23:59', '9999-12-31T23:59:59.999999-23:59'],
  ['2024-02-29T12:30:45-00:00', '2024-02-29T12:30:45+00:00'],
]

const REFUSED: readonly string[] = [
  '',
  'tomorrow',
  '1700000000',
  '2024-02-30',
  '2023-02-29',
  '0000-01-01',
  '2024-13-01',
  '2024-1-1',
  '2024T10:00',
  '2024-02T10:00',
  '2024-366T25',
  '2023-366',
  '2024-W54',
  '2024-W09T10',
  '2024-02-29T',
  '2024-02-29T25:00',
  '2024-02-29T24:01',
  '2024-02-29T12:60',
  '2024-02-29T12:30:60',
  '2024-02-29T12:3045',
  '2024-02-29T12:30.5',
  '2024-02-29T12:30:45+24:00',
  '2024-02-29T12:30:45+05:60',
  '2024-02-29T12:30:45 ',
  '2024-02-29é12:30:45',
  '9999-12-31T24:00',
  ' 2024-02-29',
  '2024-02-29T12:30:45.' + '1'.repeat(1000),
]

describe('parseIsoformat', () => {
  for (const [text, expected] of READ) {
    it(`reads ${text}`, () => {
      expect(parseIsoformat(text).isoformat()).to.equal(expected)
    })
  }

  it('refuses what Python refuses', () => {
    for (const text of REFUSED) {
      expect(() => parseIsoformat(text), text).to.throw(DecodeError)
    }
  })

  it('takes a datetime without an offset as UTC', () => {
    const naive = parseIsoformat('2024-02-29T12:30:45')
    expect(naive.offset).to.equal(undefined)
    expect(naive.toISOString()).to.equal('2024-02-29T12:30:45.000Z')
  })

  it('reads a point in time whatever its offset', () => {
    expect(parseIsoformat('2024-02-29T12:30:45+05:30').getTime()).to.equal(
      Date.UTC(2024, 1, 29, 7, 0, 45),
    )
  })

  it('gives back the text of any datetime that Python writes', () => {
    fc.assert(
      fc.property(pythonText, (text) => {
        expect(isoformat(parseIsoformat(text))).to.equal(text)
      }),
    )
  })

  it('throws nothing but a DecodeError', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from('0123456789-+:.TZW ')) }),
        (text) => {
          try {
            parseIsoformat(text)
          } catch (error) {
            expect(error).to.be.instanceOf(DecodeError)
          }
        },
      ),
    )
  })
})

const milliseconds = fc.integer({ min: Date.UTC(2, 0), max: Date.UTC(9998, 0) })
const offsets = fc.option(fc.integer({ min: -86_399, max: 86_399 }), { nil: undefined })
const pythonText = fc
  .tuple(milliseconds, fc.integer({ min: 0, max: 999 }), offsets)
  .map(([ms, microseconds, offset]) => new PythonDateTime(ms, { microseconds, offset }).isoformat())

describe('isoformat', () => {
  it('writes UTC as an offset, and leaves out a fraction of zero', () => {
    expect(isoformat(new Date(Date.UTC(2024, 1, 29, 12, 30, 45)))).to.equal(
      '2024-02-29T12:30:45+00:00',
    )
    expect(isoformat(new Date(-1))).to.equal('1969-12-31T23:59:59.999000+00:00')
  })

  it('refuses what Python has no datetime for', () => {
    for (const ms of [Number.NaN, Date.UTC(10_000, 0), -62_135_596_800_001, 8.64e15]) {
      expect(() => isoformat(new Date(ms)), String(ms)).to.throw(EncodeError)
    }
    expect(isoformat(new Date(-62_135_596_800_000))).to.equal('0001-01-01T00:00:00+00:00')
  })

  it('keeps the offset and drops the microseconds when the date was changed', () => {
    const date = parseIsoformat('2024-02-29T12:30:45.123456+05:30')
    date.setTime(date.getTime() + 1000)
    expect(isoformat(date)).to.equal('2024-02-29T12:30:46.123000+05:30')
  })

  it('writes a luxon DateTime at its own offset', () => {
    const value = DateTime.fromISO('2024-02-29T12:30:45.5+02:00', { setZone: true })
    if (!isLuxonDateTime(value)) throw new Error('not seen as a DateTime')
    expect(isoformat(fromLuxon(value))).to.equal('2024-02-29T12:30:45.500000+02:00')
  })
})

describe('PlainDate and PlainTime', () => {
  it('write what Python writes', () => {
    expect(String(new PlainDate(33, 2, 3))).to.equal('0033-02-03')
    expect(String(new PlainTime(1, 2))).to.equal('01:02:00')
    expect(String(parsePlainTime('T01:02:03.04+00:00'))).to.equal('01:02:03.040000+00:00')
  })

  it('refuse days and times that do not exist', () => {
    expect(() => new PlainDate(2023, 2, 29)).to.throw(RangeError)
    expect(() => new PlainTime(24)).to.throw(RangeError)
    expect(() => parsePlainTime('24:00')).to.throw(DecodeError)
  })
})
