/** The transport options of Redis, in either spelling. */

import { expect } from 'chai'
import { ImproperlyConfigured } from '../../../src/errors.ts'
import { resolveOptions } from '../../../src/transports/redis/options.ts'

describe('the transport options of Redis', () => {
  it("have kombu's defaults", () => {
    const settings = resolveOptions({}, 3, 4)
    expect(settings).to.include({
      visibilityTimeout: 3600,
      unackedMutexExpire: 300,
      queueOrderStrategy: 'round_robin',
      ackEmulation: true,
      deadletterQueue: undefined,
    })
    expect(settings.keys.steps('q')).to.deep.equal(['q', 'q\x06\x163', 'q\x06\x166', 'q\x06\x169'])
    expect(settings.keys.channel('celery.pidbox')).to.equal('/3.celery.pidbox')
    expect(settings.connect.connectTimeout).to.equal(4)
  })

  it('are read under their Python names and under ours', () => {
    for (const given of [
      { visibility_timeout: 60, global_keyprefix: 'p:', unacked_key: 'U', ack_emulation: false },
      { visibilityTimeout: 60, globalKeyprefix: 'p:', unackedKey: 'U', ackEmulation: false },
    ]) {
      const settings = resolveOptions(given, 0, 4)
      expect(settings.visibilityTimeout).to.equal(60)
      expect(settings.keys.unacked).to.equal('p:U')
      expect(settings.ackEmulation).to.equal(false)
    }
  })

  it('are refused when they cannot work', () => {
    for (const given of [
      { visibility_timeout: 'an hour' },
      { visibilityTimeout: 0 },
      { queue_order_strategy: 'random' },
      { priority_steps: 'many' },
    ]) {
      expect(() => resolveOptions(given, 0, 4)).to.throw(ImproperlyConfigured)
    }
  })
})
