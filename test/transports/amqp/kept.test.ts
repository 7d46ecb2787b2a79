/** Copies of messages: what RabbitMQ must not read in them is out of its sight, and back on arrival. */

import { expect } from 'chai'
import type { Message } from '../../../protocol/message.ts'
import { asSent, copyOf, type CopyOptions } from '../../../src/transports/amqp/kept.ts'
import { message } from '../../contracts/transport.ts'

const ROUTE = { exchange: 'tasks', routingKey: 'a.b' }
const DEATH = {
  queue: 'mine',
  reason: 'rejected',
  exchange: 'tasks',
  count: 2,
  'routing-keys': ['a.b'],
}
const DEATHS = {
  'x-death': [DEATH],
  'x-first-death-queue': 'mine',
  'x-first-death-reason': 'rejected',
  'x-first-death-exchange': 'tasks',
}

function copy(sent: Message, options: Partial<CopyOptions> = {}): Message {
  return copyOf({ ...ROUTE, message: sent }, { user: 'guest', ...options })
}

/** What RabbitMQ makes of a message that expires in a wait queue. */
function expired(sent: Message): Message {
  const death = { queue: 'celeriac.wait.q.1', reason: 'expired', exchange: '', count: 1 }
  const { headers } = sent
  expect(headers).to.not.include.any.keys(...Object.keys(DEATHS), 'CC')
  return {
    ...sent,
    headers: {
      ...headers,
      'x-death': [death],
      'x-first-death-queue': death.queue,
      'x-first-death-reason': death.reason,
      'x-first-death-exchange': '',
      'x-last-death-queue': death.queue,
      'x-last-death-reason': death.reason,
      'x-last-death-exchange': '',
    },
  }
}

describe('a copy of a message on RabbitMQ', () => {
  it('arrives as the message was sent, with where it was sent to', () => {
    const sent = message('x', {
      headers: { task: 'a', CC: ['other'], ...DEATHS },
      properties: { deliveryMode: 2, priority: 3, expiration: '500', correlationId: 'c' },
    })
    const { exchange, routingKey, until, ...arrived } = asSent(
      expired(copy(sent, { until: 1234.5 })),
    )
    expect(arrived).to.deep.equal(sent)
    expect({ exchange, routingKey }).to.deep.equal(ROUTE)
    expect(until).to.equal(1234.5)
    expect(asSent(copy(sent))).to.deep.include({ ...sent, ...ROUTE })
  })

  it('does not expire before it is due; one that is due at once may', () => {
    const sent = message('x', { properties: { expiration: '500' } })
    expect(copy(sent, { until: 1 }).properties).to.not.have.property('expiration')
    expect(copy(sent).properties).to.have.property('expiration', '500')
  })

  it('is sent in nobody else’s name', () => {
    const sent = (userId: string): Message => message('x', { properties: { userId } })
    expect(copy(sent('guest')).properties).to.have.property('userId', 'guest')
    expect(copy(sent('other')).properties).to.not.have.property('userId')
  })

  it('keeps deaths in other queues, before and after it waited', () => {
    const before = expired(copy(message('x', { headers: DEATHS }), { until: 1 }))
    const again = { ...DEATH, queue: 'later' }
    const [waited] = before.headers['x-death'] as unknown[]
    const after = { ...before, headers: { ...before.headers, 'x-death': [again, waited] } }
    expect(asSent(after).headers).to.deep.equal({ ...DEATHS, 'x-death': [again, DEATH] })
    const first = expired(copy(message(), { until: 1 }))
    const died = asSent({ ...first, headers: { ...first.headers, 'x-death': [again, waited] } })
    expect(died.headers).to.deep.include({
      'x-death': [again],
      'x-first-death-queue': 'later',
      'x-first-death-reason': 'rejected',
    })
  })

  it('leaves alone what is not ours, and takes nothing else from what others write', () => {
    const plain = message('x', { headers: { a: 1 } })
    expect(asSent(plain)).to.equal(plain)
    const dead = message('x', { headers: DEATHS })
    expect(asSent(dead)).to.deep.equal(dead)
    for (const forged of [
      null,
      1,
      'x',
      [],
      { until: 'soon', exchange: 1, headers: { task: 'b' } },
    ]) {
      const headers = { task: 'a', 'x-death': 7, 'x-celeriac-kept': forged }
      expect(asSent(message('x', { headers }))).to.deep.equal(
        message('x', { headers: { task: 'a', 'x-death': 7 } }),
      )
    }
  })
})
