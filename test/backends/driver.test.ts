/** Whether a missing driver is told from one that is broken. */

import { expect } from 'chai'
import { importDriver } from '../../src/backends/driver.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'

describe('the driver of a database', () => {
  it('is the first of some packages that is there', async () => {
    const found = await importDriver('db+x://', ['celeriac-no-such-driver', 'node:no-such', 'pg'])
    expect(found.name).to.equal('pg')
  })

  it('is asked for by name when none is there', async () => {
    const names = ['celeriac-no-such-driver', 'node:no-such', 'celeriac-nor-this'] as const
    const error = await importDriver('db+x://', names).catch((reason: unknown) => reason)
    expect(error)
      .to.be.instanceOf(ImproperlyConfigured)
      .with.property('message')
      .that.equals(
        "the result backend db+x:// needs the package 'celeriac-no-such-driver': npm install celeriac-no-such-driver (or celeriac-nor-this)",
      )
  })

  it('is asked for at once with what else is needed', async () => {
    const asked = importDriver('db+x://', ['celeriac-no-such-driver'], 'pg')
    const error = await asked.catch((reason: unknown) => reason)
    expect(String(error)).to.match(/npm install celeriac-no-such-driver pg$/)
  })
})
