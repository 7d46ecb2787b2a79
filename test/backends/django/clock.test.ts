/** Whether times stand in a Django database as Django reads them. */

import { expect } from 'chai'
import { djangoClock } from '../../../src/backends/django/clock.ts'
import { ImproperlyConfigured } from '../../../src/errors.ts'

describe('the clock of a Django database', () => {
  const TIME = '2026-07-22T07:56:50.000226+00:00'

  it('writes a point in time to PostgreSQL, and reads it at any offset', () => {
    const clock = djangoClock('postgresql', 'Europe/Prague')
    expect(clock.write(TIME)).to.equal('2026-07-22 07:56:50.000226+00:00')
    expect(clock.read('2026-07-22 07:56:50.000226+00')).to.equal(TIME)
    expect(clock.read('2026-07-22 13:26:50.5+05:30')).to.equal('2026-07-22T13:26:50.500000+05:30')
  })

  it('writes what the clock of UTC shows to the others', () => {
    for (const dialect of ['mysql', 'sqlite'] as const) {
      const clock = djangoClock(dialect)
      expect(clock.write(TIME)).to.equal('2026-07-22 07:56:50.000226')
      expect(clock.write('2026-07-22T09:56:50+02:00')).to.equal('2026-07-22 07:56:50')
      expect(clock.read('2026-07-22 07:56:50.000226')).to.equal(TIME)
    }
  })

  it('writes what a clock in the TIME_ZONE shows where Django has no USE_TZ', () => {
    const clock = djangoClock('sqlite', 'Europe/Prague')
    expect(clock.write(TIME)).to.equal('2026-07-22 09:56:50.000226')
    expect(clock.read('2026-07-22 09:56:50.000226')).to.equal(TIME)
    expect(clock.write('2026-01-22T07:56:50+00:00')).to.equal('2026-01-22 08:56:50')
    expect(clock.read('2026-01-22 08:56:50')).to.equal('2026-01-22T07:56:50+00:00')
  })

  it('tells the present, and what was before', () => {
    const clock = djangoClock('mysql')
    const [now, before] = [clock.now(), clock.now(3600)].map((text) => Date.parse(`${text}Z`))
    expect(Math.abs((now ?? 0) - Date.now())).to.be.lessThan(60_000)
    expect(Math.abs((now ?? 0) - (before ?? 0) - 3_600_000)).to.be.lessThan(60_000)
  })

  it('reads nothing from what is no time', () => {
    for (const text of [null, '', 'yesterday', '2026-13-01 00:00:00', 5]) {
      expect(djangoClock('sqlite').read(text)).to.equal(null)
    }
  })

  it('refuses a time zone that there is not', () => {
    expect(() => djangoClock('sqlite', 'Europe/Nowhere')).to.throw(
      ImproperlyConfigured,
      /TIME_ZONE/,
    )
    expect(() => djangoClock('sqlite', 5)).to.throw(ImproperlyConfigured, /TIME_ZONE/)
  })
})
