/** Durations and points in time in all the forms that users give them. */

import { expect } from 'chai'
import { DateTime, Duration } from 'luxon'
import { dateOf, secondsOf } from '../../src/runtime/duration.ts'

describe('durations', () => {
  it('are numbers of seconds, objects of units, and luxon Durations', () => {
    expect(secondsOf(1.5)).to.equal(1.5)
    expect(secondsOf({ minutes: 5, seconds: 1 })).to.equal(301)
    expect(secondsOf(Duration.fromObject({ hours: 1 }))).to.equal(3600)
  })

  it('are nothing else', () => {
    for (const value of [NaN, '5', null, {}, [], { fortnights: 1 }, { minutes: '5' }, new Date()]) {
      expect(secondsOf(value)).to.equal(undefined)
    }
    expect(secondsOf(Duration.invalid('no'))).to.equal(undefined)
    expect(secondsOf(DateTime.now())).to.equal(undefined)
  })
})

describe('points in time', () => {
  it('are Dates and luxon DateTimes', () => {
    const date = new Date(1_700_000_000_000)
    expect(dateOf(date)).to.equal(date)
    expect(dateOf(DateTime.fromJSDate(date))).to.deep.equal(date)
    expect(dateOf({ toISO: () => date.toISOString() })).to.deep.equal(date)
  })

  it('are nothing else', () => {
    for (const value of [new Date('no'), '2026-01-01', 5, null, {}, DateTime.invalid('no')]) {
      expect(dateOf(value)).to.equal(undefined)
    }
  })
})
