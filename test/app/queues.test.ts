/** The queues that an app knows, and those that it makes. */

import { expect } from 'chai'
import { Queues } from '../../src/app/queues.ts'
import { Configuration } from '../../src/conf/resolve.ts'
import { ImproperlyConfigured, QueueNotFound } from '../../src/errors.ts'

function queues(settings: object = {}): Queues {
  const configuration = new Configuration({}, () => {})
  configuration.update(settings, 'change')
  return new Queues(configuration.conf)
}

function direct(name: string): object {
  return { name, bindings: [{ exchange: { name, type: 'direct' }, routingKey: name }] }
}

const names = (list: readonly { readonly name: string }[]): string[] => list.map(({ name }) => name)

describe('queues', () => {
  it('are the default one when none are given', () => {
    expect(queues().consumeFrom).to.deep.equal([direct('celery')])
    expect(queues({ taskDefaultQueue: 'math' }).default.queue).to.deep.equal(direct('math'))
  })

  it('are made when they are missing, with an exchange and a key of their name', () => {
    expect(queues().get('other.q')).to.deep.equal(direct('other.q'))
  })

  it('keep what was made, so that it is declared once', () => {
    const known = queues()
    expect(known.get('x')).to.equal(known.get('x'))
  })

  it('are not made when the settings say so', () => {
    const known = queues({ task_create_missing_queues: false })
    expect(() => known.get('nope')).to.throw(QueueNotFound, "Queue 'nope' missing from task_queues")
    expect(() => known.select(['nope'])).to.throw(QueueNotFound)
  })

  it('are of the types of the settings', () => {
    const known = queues({
      taskDefaultQueueType: 'quorum',
      taskCreateMissingQueueType: 'quorum',
      taskCreateMissingQueueExchangeType: 'topic',
      taskQueueMaxPriority: 10,
    })
    expect(known.default.queue.arguments).to.deep.equal({
      'x-max-priority': 10,
      'x-queue-type': 'quorum',
    })
    expect(known.get('made').bindings[0]?.exchange.type).to.equal('topic')
    expect(known.get('made').arguments).to.include({ 'x-queue-type': 'quorum' })
  })

  it('without an exchange or a key have the default ones', () => {
    const known = queues({
      taskDefaultExchange: 'tasks',
      taskDefaultExchangeType: 'topic',
      taskDefaultRoutingKey: 'task.#',
      taskQueues: [{ name: 'a' }, { name: 'b', exchange: 'b', routing_key: 'b' }],
    })
    expect(known.get('a').bindings).to.deep.equal([
      { exchange: { name: 'tasks', type: 'topic' }, routingKey: 'task.#' },
    ])
    expect(known.get('b').bindings).to.deep.equal([
      { exchange: { name: 'b', type: 'direct' }, routingKey: 'b' },
    ])
  })

  it('by name have that name as their key, as in Celery', () => {
    const known = queues({
      task_queues: { a: { exchange: 'x', exchange_type: 'topic' }, b: { binding_key: 'b.#' } },
    })
    expect(known.target('a').routingKey).to.equal('a')
    expect(known.target('a').exchange).to.deep.equal({ name: 'x', type: 'topic' })
    expect(known.target('b').routingKey).to.equal('b.#')
    expect(names(known.consumeFrom)).to.deep.equal(['a', 'b'])
  })

  it("write RabbitMQ's arguments as kombu does", () => {
    const known = queues({
      taskQueueMaxPriority: 10,
      taskQueues: [
        {
          name: 'a',
          expires: 1.5,
          message_ttl: 60,
          maxLength: 100,
          maxLengthBytes: 1000,
          maxPriority: 5,
          queueArguments: { 'x-queue-mode': 'lazy' },
          durable: false,
          autoDelete: true,
          exclusive: true,
          passive: true,
        },
      ],
    })
    expect(known.get('a')).to.deep.include({
      durable: false,
      autoDelete: true,
      exclusive: true,
      passive: true,
      arguments: {
        'x-max-priority': 5,
        'x-queue-mode': 'lazy',
        'x-expires': 1500,
        'x-message-ttl': 60_000,
        'x-max-length': 100,
        'x-max-length-bytes': 1000,
      },
    })
  })

  it('may have several bindings; senders reach them by name', () => {
    const known = queues({
      taskQueues: [
        {
          name: 'multi',
          bindings: [
            { exchange: 'm1', routing_key: 'r1' },
            { exchange: { name: 'm2', type: 'fanout' } },
          ],
        },
      ],
    })
    expect(known.get('multi').bindings).to.deep.equal([
      { exchange: { name: 'm1', type: 'direct' }, routingKey: 'r1' },
      { exchange: { name: 'm2', type: 'fanout' }, routingKey: '' },
    ])
    expect(known.target('multi').exchange.type).to.equal('direct')
  })

  it('may be a broadcast: a queue of its own on one fanout exchange', () => {
    const settings = { taskQueues: [{ name: 'all', broadcast: true }] }
    const [one, two] = [queues(settings), queues(settings)]
    const queue = one.get('all')
    expect(queue.name).to.match(/^bcast\.[0-9a-f-]{36}$/)
    expect(queue.name).not.to.equal(two.get('all').name)
    expect(queue.autoDelete).to.equal(true)
    expect(queue.bindings[0]?.exchange).to.deep.equal({ name: 'all', type: 'fanout' })
    expect(one.target('all').declare).to.deep.equal([])
  })

  it('have the delivery mode of their exchange', () => {
    const exchange = { name: 'x', deliveryMode: 'transient' }
    const known = queues({ taskQueues: [{ name: 'a', exchange }] })
    expect(known.target('a').deliveryMode).to.equal(1)
    expect(known.get('a').bindings[0]?.exchange).not.to.have.property('deliveryMode')
  })

  it('may be selected, left out and added', () => {
    const known = queues({ taskQueues: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] })
    expect(names(known.deselect(['b', 'unknown']))).to.deep.equal(['a', 'c'])
    expect(names(known.select(['b', 'new']))).to.deep.equal(['b', 'new'])
    expect(names(known.deselect(['b']))).to.deep.equal(['new'])
    known.selectAdd('more')
    expect(names(known.consumeFrom)).to.deep.equal(['new', 'more'])
    expect(names(known.select([]))).to.deep.equal(['a', 'b', 'c', 'new', 'more'])
  })

  it('refuse what is no queue, by name', () => {
    const wrong: readonly (readonly [unknown, string])[] = [
      [[{ exchange: 'x' }], "setting 'taskQueues'[0] needs a name"],
      [[{ name: 'a', routingkey: 'x' }], "has no option 'routingkey'; did you mean 'routingKey'?"],
      [[{ name: 'a', durable: 'yes' }], "option 'durable'"],
      [[{ name: 'a', bindings: [] }], 'bindings of'],
      [[{ name: 'a', exchange: { nam: 'x' } }], "has no option 'nam'"],
      ['celery', 'must be a list or an object'],
    ]
    for (const [taskQueues, message] of wrong) {
      expect(() => queues({ taskQueues }), message).to.throw(ImproperlyConfigured, message)
    }
  })
})
