/** The producer: declares once, keeps many in flight, sends again, and always answers. */

import { expect } from 'chai'
import type { Message } from '../../protocol/message.ts'
import { EncodeError, OperationalError, TimeoutError, UnroutableError } from '../../src/errors.ts'
import { Connection } from '../../src/messaging/connection.ts'
import { directQueue, type Queue } from '../../src/messaging/entity.ts'
import { Producer, type PublishRequest } from '../../src/messaging/producer.ts'
import type { Channel, Transport, TransportConnection } from '../../src/messaging/transport.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { message, rejection } from '../contracts/transport.ts'
import { until, within } from '../support/until.ts'

const RETRY = { maxRetries: 10, intervalStart: 0.001, intervalStep: 0, intervalMax: 0.001 }

/** A broker whose confirmations the test gives. */
class Scripted implements Transport {
  readonly capabilities = {
    driver: 'scripted',
    lowPriorityFirst: false,
    mandatory: true,
    holdLimit: Infinity,
  }
  readonly address = 'scripted://'
  readonly declared: string[] = []
  readonly published: string[] = []
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  /** What happens to a message, unless it is left to wait. */
  onPublish: ((message: Message) => Promise<void>) | undefined
  onDeclare: (queue: Queue) => Promise<void> = async () => {}
  blocked = false
  unblock = (): void => {}
  lose = (): void => {}

  async connect(): Promise<TransportConnection> {
    const closed = new Promise<Error | undefined>((resolve) => {
      this.lose = () => {
        for (const { reject } of this.#waiting.splice(0)) reject(new OperationalError('lost'))
        resolve(new OperationalError('lost'))
      }
    })
    const isBlocked = (): boolean => this.blocked
    return {
      closed,
      get blocked() {
        return isBlocked()
      },
      unblocked: () => new Promise((resolve) => (this.unblock = resolve)),
      channel: async () => this.#channel(),
      close: async () => {},
    }
  }

  #channel(): Channel {
    const channel = {
      declareQueue: async (queue: Queue) => {
        this.declared.push(queue.name)
        await this.onDeclare(queue)
      },
      declareExchange: async ({ name }: { readonly name: string }) => void this.declared.push(name),
      publish: async (sent: Message) => {
        this.published.push(sent.body.toString())
        if (this.onPublish !== undefined) return await this.onPublish(sent)
        await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
      },
      close: async () => {},
    }
    return channel as unknown as Channel
  }

  confirm(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }

  get waiting(): number {
    return this.#waiting.length
  }
}

describe('a producer', () => {
  let broker: Scripted
  let connection: Connection
  let producer: Producer

  beforeEach(() => {
    broker = new Scripted()
    connection = new Connection({ transports: [broker], retry: RETRY, logger: SILENT })
    producer = new Producer(connection, { retry: RETRY, maxInFlight: 3 })
  })
  afterEach(async () => {
    broker.confirm()
    await connection.close()
  })

  function send(body: string, request: Partial<PublishRequest> = {}): Promise<void> {
    return producer.publish(message(body), {
      exchange: '',
      routingKey: 'q',
      timeout: 5,
      ...request,
    })
  }

  it('resolves when the broker confirms, not before', async () => {
    let resolved = false
    const sent = send('a').then(() => (resolved = true))
    await until(() => broker.waiting === 1)
    expect(resolved).to.equal(false)
    broker.confirm()
    await sent
  })

  it('declares a queue once per connection, however many send at once', async () => {
    broker.onPublish = async () => {}
    const queue = directQueue('q')
    const declare = [queue, { name: 'x', type: 'topic' } as const]
    await Promise.all([send('a', { declare }), send('b', { declare }), send('c', { declare })])
    await send('d', { declare })
    expect(broker.declared).to.deep.equal(['q', 'x'])
    broker.lose()
    await until(() => !connection.connected)
    await send('e', { declare })
    expect(broker.declared).to.deep.equal(['q', 'x', 'q', 'x'])
  })

  it('writes at once what needs nothing more', async () => {
    broker.onPublish = async () => {}
    await send('first')
    const sent = send('second')
    expect(broker.published).to.deep.equal(['first', 'second'])
    await sent
  })

  it('keeps no more in flight than it may, and the rest in order', async () => {
    broker.onPublish = async () => {}
    await send('warm')
    broker.onPublish = undefined
    const sent = ['a', 'b', 'c', 'd', 'e'].map((body) => send(body))
    await until(() => broker.waiting === 3)
    expect(producer.inFlight).to.equal(3)
    broker.confirm()
    await until(() => broker.waiting === 2)
    broker.confirm()
    await Promise.all(sent)
    expect(broker.published).to.deep.equal(['warm', 'a', 'b', 'c', 'd', 'e'])
    expect(producer.inFlight).to.equal(0)
  })

  it('sends the same message again when the connection is lost before the confirmation', async () => {
    const sent = send('again')
    await until(() => broker.waiting === 1)
    broker.lose()
    await until(() => broker.waiting === 1)
    broker.confirm()
    await sent
    expect(broker.published).to.deep.equal(['again', 'again'])
  })

  it('fails at the first error when it may not retry', async () => {
    broker.onPublish = async () => Promise.reject(new OperationalError('nacked'))
    expect(await rejection(send('a', { retry: false }))).to.have.property('message', 'nacked')
    expect(broker.published).to.have.length(1)
  })

  it('fails with the last error when it has retried enough', async () => {
    broker.onPublish = async () => Promise.reject(new OperationalError('nacked'))
    const retry = { ...RETRY, maxRetries: 2 }
    expect(await rejection(send('a', { retry }))).to.have.property('message', 'nacked')
    expect(broker.published).to.have.length(3)
  })

  it('does not retry what cannot succeed', async () => {
    broker.onPublish = async () => Promise.reject(new EncodeError('too long'))
    expect(await rejection(send('a'))).to.be.instanceOf(EncodeError)
    expect(broker.published).to.have.length(1)
  })

  it('fails at its deadline, with the last error as the cause, and sends no more', async () => {
    broker.onPublish = async () => Promise.reject(new OperationalError('nacked'))
    const retry = { maxRetries: null, intervalStart: 0.01, intervalStep: 0, intervalMax: 0.01 }
    const error = await within(2, rejection(send('a', { timeout: 0.05, retry })))
    expect(error).to.be.instanceOf(TimeoutError)
    expect(error).to.have.nested.property('cause.message', 'nacked')
    const { length } = broker.published
    await send('b', { retry: false }).catch(() => {})
    expect(broker.published).to.have.length(length + 1)
  })

  it('fails at its deadline when the broker never confirms, and when all slots are taken', async () => {
    const sent = Array.from({ length: 5 }, () => rejection(send('a', { timeout: 0.05 })))
    for (const error of await within(2, Promise.all(sent)))
      expect(error).to.be.instanceOf(TimeoutError)
    expect(broker.published).to.have.length(3)
  })

  it('rejects when the signal aborts', async () => {
    const abort = new AbortController()
    const sent = rejection(send('a', { signal: abort.signal }))
    await until(() => broker.waiting === 1)
    abort.abort()
    expect(await within(1, sent)).to.have.property('code', 'ERR_ABORTED')
    expect(await rejection(send('b', { signal: abort.signal }))).to.have.property(
      'code',
      'ERR_ABORTED',
    )
    expect(broker.published).to.deep.equal(['a'])
  })

  it('declares again, once, what somebody deleted', async () => {
    const declare = [directQueue('q')]
    broker.onPublish = async () => {}
    await send('a', { declare })
    let unroutable = 1
    broker.onPublish = async () => {
      if (unroutable-- > 0) throw new UnroutableError('', 'q')
    }
    await send('b', { declare, mandatory: true })
    expect(broker.declared).to.deep.equal(['q', 'q'])
    unroutable = 2
    expect(await rejection(send('c', { declare, mandatory: true }))).to.be.instanceOf(
      UnroutableError,
    )
  })

  it('fails when the declaration is refused, and tries that anew for the next', async () => {
    broker.onPublish = async () => {}
    broker.onDeclare = async () => Promise.reject(new EncodeError('refused'))
    const declare = [directQueue('q')]
    expect(await rejection(send('a', { declare }))).to.have.property('message', 'refused')
    broker.onDeclare = async () => {}
    await send('b', { declare })
  })

  it('waits while the broker is blocked, until the deadline', async () => {
    broker.onPublish = async () => {}
    await send('a')
    broker.blocked = true
    const error = await within(2, rejection(send('b', { timeout: 0.05 })))
    expect((error as Error).message).to.contain('alarm')
    const sent = send('c')
    broker.blocked = false
    await until(() => (broker.unblock(), broker.published.includes('c')))
    await sent
    expect(broker.published).to.deep.equal(['a', 'c'])
  })

  it('waits for what is in flight when it closes, and takes no more', async () => {
    const sent = send('a')
    await until(() => broker.waiting === 1)
    const closed = producer.close()
    expect(await rejection(send('b'))).to.be.instanceOf(OperationalError)
    broker.confirm()
    await within(1, Promise.all([sent, closed]))
  })
})
