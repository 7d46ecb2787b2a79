/** Which transport a broker URL means. */

import { expect } from 'chai'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { openTransport } from '../../src/transports/open.ts'

const OPTIONS = {
  connectTimeout: 4,
  heartbeat: 0,
  transportOptions: { masterName: 'm' },
  limits: DEFAULT_LIMITS,
  logger: SILENT,
}

const DRIVERS: readonly (readonly [string, string])[] = [
  ['amqp://h', 'amqp'],
  ['amqps://h', 'amqp'],
  ['pyamqp://h', 'amqp'],
  ['redis://h/0', 'redis'],
  ['rediss://h/0', 'redis'],
  ['redis+socket:///tmp/redis.sock', 'redis'],
  ['sentinel://h:26379/0', 'redis'],
  ['memory://', 'memory'],
]

describe('opening a transport', () => {
  for (const [url, driver] of DRIVERS) {
    it(`takes ${driver} for ${url}, and connects to nothing`, () => {
      expect(openTransport(url, OPTIONS).capabilities.driver).to.equal(driver)
    })
  }

  it('names the brokers that it knows when it does not know the one of the URL', () => {
    expect(() => openTransport('sqs://key:secret@h', OPTIONS))
      .to.throw(ImproperlyConfigured, 'sqs://')
      .with.property('message')
      .that.contains('amqp://')
      .and.not.contains('secret')
    expect(() => openTransport('localhost', OPTIONS)).to.throw(ImproperlyConfigured)
  })
})
