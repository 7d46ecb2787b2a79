/** RabbitMQ as a broker, on a real server: the contract, and what only RabbitMQ does. */

import { connect as amqplib } from 'amqplib'
import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import {
  ImproperlyConfigured,
  LimitExceeded,
  OperationalError,
  QueueNotFound,
  UnroutableError,
} from '../../src/errors.ts'
import { directQueue } from '../../src/messaging/entity.ts'
import type {
  Channel,
  TransportConnection,
  TransportOptions,
} from '../../src/messaging/transport.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { amqpUrl as parse } from '../../src/runtime/url.ts'
import { AmqpTransport } from '../../src/transports/amqp/transport.ts'
import { Inbox, message, rejection, text, transportContract } from '../contracts/transport.ts'
import { Proxy } from '../support/proxy.ts'
import { amqpUrl } from '../support/services.ts'
import { until, within } from '../support/until.ts'

const OPTIONS: TransportOptions = {
  connectTimeout: 4,
  heartbeat: 120,
  transportOptions: {},
  limits: DEFAULT_LIMITS,
  logger: SILENT,
}

async function proxyTo(url: string): Promise<Proxy> {
  const { hostname, port } = parse(url)
  return await new Proxy({ host: hostname, port }).start()
}

transportContract('RabbitMQ', async () => {
  const url = await amqpUrl()
  const proxy = await proxyTo(url)
  return {
    transport: new AmqpTransport(proxy.url(url), OPTIONS),
    breakConnections: () => proxy.cut(),
    cleanup: () => proxy.stop(),
  }
})

describe('the amqp transport', function () {
  this.timeout(60_000)
  let url: string
  const open: TransportConnection[] = []

  before(async () => void (url = await amqpUrl()))
  afterEach(() => Promise.all(open.splice(0).map((connection) => connection.close())))

  async function connect(
    options: Partial<TransportOptions> = {},
    to = url,
  ): Promise<TransportConnection> {
    const connection = await new AmqpTransport(to, { ...OPTIONS, ...options }).connect()
    open.push(connection)
    return connection
  }

  async function withQueue(): Promise<[Channel, string]> {
    const channel = await (await connect()).channel()
    const queue = `q-${randomUUID()}`
    await channel.declareQueue(directQueue(queue))
    return [channel, queue]
  }

  describe('refusals', () => {
    it('names the broker’s reason for other arguments, and leaves the other queues alone', async () => {
      const [channel, queue] = await withQueue()
      const inbox = new Inbox()
      await channel.consume(queue, inbox.push)
      const error = await rejection(
        channel.declareQueue(directQueue(queue, { 'x-max-priority': 5 })),
      )
      expect(error).to.be.instanceOf(ImproperlyConfigured)
      expect(error)
        .to.have.property('message')
        .that.contains('PRECONDITION_FAILED')
        .and.contains('x-max-priority')
      await channel.publish(message('fine'), { exchange: '', routingKey: queue })
      expect(text(await inbox.next())).to.equal('fine')
    })

    it('says what cannot be written, and goes on', async () => {
      const channel = await connect().then((connection) => connection.channel())
      const long = channel.declareQueue(directQueue('q'.repeat(300)))
      const odd = channel.declareQueue({
        ...directQueue(randomUUID()),
        arguments: { 'x-odd': Symbol('odd') },
      })
      const next = channel.declareQueue(directQueue(randomUUID()))
      for (const refused of [long, odd]) {
        expect(await within(5, rejection(refused))).to.be.instanceOf(ImproperlyConfigured)
      }
      expect(await within(5, next)).to.include({ messageCount: 0 })
    })

    it('says that a queue is not there, to consume or to get from, and goes on', async () => {
      const [channel, queue] = await withQueue()
      const inbox = new Inbox()
      await channel.consume(queue, inbox.push)
      expect(await rejection(channel.consume('absent', () => {}))).to.be.instanceOf(QueueNotFound)
      expect(await rejection(channel.get('absent'))).to.be.instanceOf(QueueNotFound)
      await channel.publish(message('fine'), { exchange: '', routingKey: queue })
      expect(text(await inbox.next())).to.equal('fine')
      expect(await channel.get(queue)).to.equal(undefined)
    })

    it('tells who published to an exchange that is not there, and goes on', async () => {
      const [channel, queue] = await withQueue()
      const lost = channel.publish(message(), { exchange: 'absent', routingKey: 'x' })
      expect(await rejection(lost)).to.be.instanceOf(UnroutableError)
      await channel.publish(message('fine'), { exchange: '', routingKey: queue })
      const delivery = await channel.get(queue)
      expect(delivery && text(delivery)).to.equal('fine')
    })

    it('tells each sender of the messages that came back, among many', async () => {
      const [channel, queue] = await withQueue()
      const sent = Array.from({ length: 300 }, (_, n) => {
        const routingKey = n % 3 === 0 ? `absent-${n % 2}` : queue
        return channel.publish(message(String(n)), { exchange: '', routingKey, mandatory: true })
      })
      const outcomes = await Promise.allSettled(sent)
      outcomes.forEach((outcome, n) => {
        const expected = n % 3 === 0 ? 'rejected' : 'fulfilled'
        expect(outcome.status, String(n)).to.equal(expected)
        if (outcome.status === 'rejected') expect(outcome.reason).to.be.instanceOf(UnroutableError)
      })
    })

    it('leave nothing open when they are closed while they are at it', async () => {
      const [other, queue] = await withQueue()
      const channel = await (await connect()).channel()
      const consuming = rejection(channel.consume(queue, () => {}))
      const publishing = rejection(channel.publish(message(), { exchange: '', routingKey: queue }))
      await channel.close()
      expect(await consuming).to.be.instanceOf(OperationalError)
      expect(await publishing).to.be.instanceOf(OperationalError)
      const { consumerCount } = await other.declareQueue({ ...directQueue(queue), passive: true })
      expect(consumerCount).to.equal(0)
    })

    it('refuses what is too large before it sends anything', async () => {
      const channel = await (
        await connect({ limits: { ...DEFAULT_LIMITS, maxBodyBytes: 10 } })
      ).channel()
      const to = { exchange: '', routingKey: 'q' }
      expect(await rejection(channel.publish(message('x'.repeat(11)), to))).to.be.instanceOf(
        LimitExceeded,
      )
      const headers = { argsrepr: 'x'.repeat(200_000) }
      expect(await rejection(channel.publish(message('', { headers }), to))).to.be.instanceOf(
        LimitExceeded,
      )
      await channel.publish(message('ok'), to)
    })
  })

  describe('consumers', () => {
    it('hear that their queue was deleted', async () => {
      const [channel, queue] = await withQueue()
      const cancelled = new Promise<void>((resolve) => {
        void channel.consume(queue, () => {}, { onCancel: resolve })
      })
      const other = await (await connect()).channel()
      await until(async () => (await other.declareQueue(directQueue(queue))).consumerCount === 1)
      await other.deleteQueue(queue)
      await within(10, cancelled, 'onCancel')
    })

    it('of quorum queues have a prefetch count of their own', async () => {
      const channel = await (await connect()).channel()
      const queue = `q-${randomUUID()}`
      await channel.qos(2)
      await channel.declareQueue(directQueue(queue, { 'x-queue-type': 'quorum' }))
      const to = { exchange: '', routingKey: queue }
      await Promise.all(['a', 'b', 'c'].map((body) => channel.publish(message(body), to)))
      const inbox = new Inbox()
      await channel.consume(queue, inbox.push)
      const [first] = await inbox.take(2)
      await first?.ack()
      expect(text(await inbox.next())).to.equal('c')
      await channel.deleteQueue(queue)
    })

    it('lose no more than the one message that cannot be read', async () => {
      const [channel, queue] = await withQueue()
      let nested: object = { deep: 'end' }
      for (let level = 0; level < 2000; level += 1) nested = { n: nested }
      const raw = await amqplib(url)
      const sender = await raw.createConfirmChannel()
      sender.sendToQueue(queue, Buffer.from('poison'), { headers: { nested } })
      await sender.waitForConfirms()
      await raw.close()
      await channel.publish(message('good'), { exchange: '', routingKey: queue })
      const inbox = new Inbox()
      await channel.consume(queue, inbox.push)
      expect(text(await inbox.next())).to.equal('good')
      await channel.close()
      const again = await (await connect()).channel()
      expect(await again.get(queue).then((delivery) => delivery && text(delivery))).to.equal('good')
    })
  })

  describe('connecting', () => {
    async function failure(to: string, options: Partial<TransportOptions> = {}): Promise<Error> {
      const transport = new AmqpTransport(to, { ...OPTIONS, ...options })
      const error = await within(5, rejection(transport.connect()), 'the attempt')
      expect(error).to.be.instanceOf(OperationalError)
      expect((error as Error).message).to.not.contain('s3cret')
      return error as Error
    }

    it('fails with the address and the reason, never the password', async () => {
      const { host } = new URL(url.replace('amqp:', 'http:'))
      const wrong = await failure(`amqp://guest:s3cret@${host}/`)
      expect(wrong.message).to.match(/^cannot connect to amqp:\/\/guest:\*\*@.*ACCESS.REFUSED/)
      const refused = await failure('amqp://guest:s3cret@127.0.0.1:1/v')
      expect(refused.message)
        .to.contain('amqp://guest:**@127.0.0.1:1/v')
        .and.contain('ECONNREFUSED')
      await failure('amqp://guest:s3cret@no-such-host.invalid/v')
    })

    it('gives up on a broker that accepts and says nothing', async () => {
      const silent = createServer((socket) => void socket.resume().on('error', () => {}))
      silent.listen(0, '127.0.0.1')
      await once(silent, 'listening')
      const { port } = silent.address() as AddressInfo
      for (const scheme of ['amqp', 'amqps']) {
        const error = await failure(`${scheme}://127.0.0.1:${port}`, { connectTimeout: 0.2 })
        expect(error.message).to.contain('0.2 s')
      }
      const transport = new AmqpTransport(`amqps://127.0.0.1:${port}`, OPTIONS)
      const abort = new AbortController()
      const connecting = rejection(transport.connect(abort.signal))
      abort.abort()
      expect(await within(1, connecting)).to.have.property('code', 'ERR_ABORTED')
      await until(
        () => new Promise((resolve) => silent.getConnections((_, count) => resolve(count === 0))),
      )
      silent.close()
    })
  })

  describe('a link that goes silent', () => {
    it('is noticed by the heartbeat, and does not hold up close', async () => {
      const proxy = await proxyTo(url)
      const noticed = await connect({ heartbeat: 1 }, proxy.url(url))
      const closing = await connect({}, proxy.url(url))
      const channel = await closing.channel()
      await channel.declareQueue(directQueue(`q-${randomUUID()}`))
      proxy.stall()
      const pending = rejection(channel.publish(message(), { exchange: '', routingKey: 'q' }))
      await within(5, closing.close(), 'close')
      expect(await pending).to.be.instanceOf(OperationalError)
      expect(await within(10, noticed.closed)).to.be.instanceOf(Error)
      await proxy.stop()
    })
  })
})
