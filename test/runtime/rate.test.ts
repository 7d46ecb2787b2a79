/** What counts as a rate, and how many times a second it is. */

import { expect } from 'chai'
import { perSecond } from '../../src/runtime/rate.ts'

const RATES: readonly (readonly [unknown, number])[] = [
  ['10/m', 10 / 60],
  ['2/s', 2],
  ['100/h', 100 / 3600],
  ['0.5/h', 0.5 / 3600],
  ['.5', 0.5],
  ['3', 3],
  ['3/', 3],
  [' 3/s', 3],
  ['0/s', 0],
  [7, 7],
  [0.5, 0.5],
  [0, 0],
  ['', 0],
  [null, 0],
  [undefined, 0],
]

const NONE: readonly unknown[] = [
  '10/d',
  '10/min',
  'fast',
  '/s',
  '-1/s',
  'inf',
  'nan/s',
  '1e400',
  '9'.repeat(400),
  ' '.repeat(100_000),
  `${'1'.repeat(100_000)}x`,
  '1/s/s',
  -1,
  Infinity,
  Number.NaN,
  true,
  ['1/s'],
  {},
]

describe('runtime/rate', () => {
  for (const [rate, expected] of RATES) {
    it(`reads ${JSON.stringify(rate)} as ${expected} a second`, () => {
      expect(perSecond(rate)).to.equal(expected)
    })
  }

  for (const rate of NONE) {
    it(`takes ${String(rate).slice(0, 20)} for none`, () => {
      expect(perSecond(rate)).to.equal(undefined)
    })
  }
})
