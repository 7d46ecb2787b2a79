/** Workers on a RabbitMQ in trouble: alarms, acks that take too long, queues that others change, brokers that die. */

import { connect as amqplib } from 'amqplib'
import { expect } from 'chai'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { OperationalError, TimeoutError } from '../../src/errors.ts'
import { directQueue } from '../../src/messaging/entity.ts'
import type { Channel, TransportConnection } from '../../src/messaging/transport.ts'
import { type Logger, SILENT } from '../../src/runtime/log.ts'
import { amqpUrl as amqp } from '../../src/runtime/url.ts'
import { AmqpTransport } from '../../src/transports/amqp/transport.ts'
import type { SettingsInput } from '../../src/conf/settings.ts'
import { Inbox, message, rejection } from '../contracts/transport.ts'
import { Proxy } from '../support/proxy.ts'
import { amqpUrl, type RabbitmqServer, startRabbitmq } from '../support/services.ts'
import { until, within } from '../support/until.ts'
import { Gate, Harness } from '../worker/harness.ts'

const OPTIONS = {
  connectTimeout: 4,
  heartbeat: 120,
  transportOptions: {},
  limits: DEFAULT_LIMITS,
  logger: SILENT,
}

describe('on a RabbitMQ in trouble', function () {
  this.timeout(120_000)
  let server: RabbitmqServer
  let harness: Harness
  let gate: Gate
  let ran: string[]
  const open: TransportConnection[] = []

  before(async () => void (server = await startRabbitmq()))
  after(() => server.stop())
  beforeEach(() => {
    gate = new Gate()
    ran = []
  })
  afterEach(async () => {
    await harness.close()
    await Promise.all(open.splice(0).map((each) => each.close()))
  })

  /** An app with a task that notes that it ran, and one that waits for the gate, acked late. */
  function app(settings: SettingsInput = {}): void {
    harness = new Harness({ brokerUrl: server.url, ...settings })
    harness.app.task('t.note', (id: string) => void ran.push(id))
    harness.app.task('t.late', { acksLate: true }, (id: string) => gate.pass(id))
  }

  async function note(id: string, options: object = {}): Promise<void> {
    await harness.app.sendTask('t.note', [id], options)
  }

  async function raw(logger: Logger = SILENT): Promise<Channel> {
    const connection = await new AmqpTransport(server.url, { ...OPTIONS, logger }).connect()
    open.push(connection)
    return await connection.channel()
  }

  async function eventually(id: string): Promise<void> {
    await until(() => ran.includes(id), { seconds: 30, what: `task ${id}` })
  }

  describe('an alarm', () => {
    let raised = false
    const clear = async (): Promise<void> => {
      if (raised) await server.ctl('set_vm_memory_high_watermark', '0.4')
      raised = false
    }
    const raise = async (): Promise<void> => {
      raised = true
      await server.ctl('set_vm_memory_high_watermark', '0.000001')
      const probe = await new AmqpTransport(server.url, OPTIONS).connect()
      open.push(probe)
      const sent = (await probe.channel()).publish(message(), { exchange: '', routingKey: 'none' })
      sent.catch(() => {})
      await until(() => probe.blocked, { seconds: 30, what: 'the alarm' })
    }
    afterEach(clear)

    it('stops who sends, until the deadline or its end, and nobody else', async () => {
      app()
      const channel = await raw()
      await channel.declareQueue(harness.app.queues.get('celery'))
      const results = await Promise.all(
        ['a', 'b', 'c', 'd'].map((id) => harness.app.sendTask('t.late', [id])),
      )
      await raise()
      // From now on the first one that is sent is the first one to be stopped.
      const sent = note('during', { timeout: 60 })
      const worker = await harness.started({ concurrency: 2, prefetchMultiplier: 1 })
      await until(() => {
        for (const id of gate.started) gate.open(id)
        return gate.ended.length === results.length
      })
      for (const result of results) await result.get({ timeout: 10 })
      const late = await rejection(note('late', { timeout: 0.3 }))
      expect(late).to.be.instanceOf(TimeoutError)
      await until(() => worker.state.active.size === 0)
      const { messageCount } = await channel.declareQueue(harness.app.queues.get('celery'))
      expect(messageCount).to.equal(0)
      expect(ran).to.deep.equal([])
      await clear()
      await within(30, sent)
      await eventually('during')
    })

    it('postpones nothing, and leaves it in hand, with the acks of others on their way', async () => {
      app()
      const warned: string[] = []
      const channel = await raw({ ...SILENT, warning: (line) => void warned.push(line) })
      const inbox = new Inbox()
      await channel.declareQueue(directQueue('held'))
      await Promise.all(
        ['a', 'b', 'c', 'd'].map((body) =>
          channel.publish(message(body), { exchange: '', routingKey: 'held' }),
        ),
      )
      await channel.consume('held', inbox.push)
      const [first, second, third, fourth] = await inbox.take(4)
      await first?.postpone(Date.now() + 600_000)
      await raise()
      const stuck = second?.postpone(Date.now() + 600_000) ?? Promise.resolve()
      await until(() => warned.length > 0, { seconds: 30, what: 'connection.blocked' })
      const refused = await rejection(third?.postpone(Date.now() + 600_000) ?? Promise.resolve())
      expect(refused).to.be.instanceOf(OperationalError)
      expect((refused as Error).message).to.contain('alarm')
      const idle = await new AmqpTransport(server.url, OPTIONS).connect()
      await within(10, idle.close(), 'close')
      await third?.ack()
      await fourth?.requeue({ counted: true })
      const again = await inbox.next()
      expect(again.redelivered).to.equal(true)
      await again.ack()
      await clear()
      await within(30, stuck)
      expect((await channel.declareQueue(directQueue('held'))).messageCount).to.equal(0)
    })
  })

  describe('acks that take longer than the broker waits', () => {
    const limit = (ms: number): Promise<string> =>
      server.ctl(
        'eval',
        `application:set_env(rabbit, channel_tick_interval, 200), application:set_env(rabbit, consumer_timeout, ${ms}).`,
      )
    before(() => limit(800))
    after(() => limit(1_800_000))

    it('cost the delivery and not the worker: the task is run again, and has its result', async () => {
      app({ brokerConnectionRetry: false })
      const worker = await harness.started({ concurrency: 4 })
      harness.app.task('t.long', { acksLate: true }, () => gate.pass(`run ${gate.started.length}`))
      const result = await harness.app.sendTask('t.long')
      await until(() => gate.started.length >= 2, { seconds: 30, what: 'the second run' })
      await until(() => {
        for (const run of gate.started) gate.open(run)
        return worker.state.active.size === 0
      })
      expect(await result.get({ timeout: 10 })).to.match(/^run/)
      await note('after')
      await eventually('after')
      expect(harness.logs('warning').join()).to.contain('Channel was closed by the broker')
      expect(harness.logs('critical')).to.deep.equal([])
      await until(() => worker.state.active.size === 0)
    })

    it('drop what waits for its eta: it comes again, and does not run as often as it came', async () => {
      app()
      await harness.started()
      const eta = new Date(Date.now() + 2500)
      let early = false
      harness.app.task('t.eta', () => {
        early ||= Date.now() < eta.getTime()
        ran.push('eta')
      })
      await harness.app.sendTask('t.eta', [], { eta })
      const lost = (): number =>
        harness.logs('warning').filter((line) => line.includes('Channel was closed')).length
      await until(() => lost() > 0)
      await eventually('eta')
      expect(ran).to.have.length.within(1, lost())
      expect(early).to.equal(false)
      await note('after')
      await eventually('after')
    })
  })

  describe('what others do to its entities', () => {
    it('costs the one queue that was made otherwise, and no other', async () => {
      app({ taskQueues: [{ name: 'one' }, { name: 'two' }] })
      await harness.started()
      const channel = await raw()
      const other = directQueue('one', { 'x-max-priority': 3 })
      const clashes = async (): Promise<boolean> => {
        const made = [channel.deleteQueue('one'), channel.declareQueue(other)] as const
        return (await Promise.allSettled(made))[1].status === 'fulfilled'
      }
      await until(clashes)
      await until(() => harness.logs('error').some((line) => line.includes("queue 'one'")))
      expect(harness.logs('error').join())
        .to.contain('PRECONDITION_FAILED')
        .and.contain('x-max-priority')
      await note('fine', { queue: 'two' })
      await eventually('fine')
      expect(harness.logs('critical')).to.deep.equal([])
      await channel.deleteQueue('one')
    })

    it('is made good: a queue or an exchange that is gone is there again', async () => {
      app()
      await harness.started()
      const channel = await raw()
      await note('before')
      await eventually('before')
      await channel.deleteQueue('celery')
      await note('queue')
      await eventually('queue')
      const other = await amqplib(server.url)
      await (await other.createChannel()).deleteExchange('celery')
      await other.close()
      await note('exchange', { exchange: 'celery', routingKey: 'celery' })
      await eventually('exchange')
    })
  })

  describe('what happens to the way there', () => {
    it('reset connections cost nothing that was confirmed', async () => {
      const proxy = await new Proxy({ host: amqp(server.url).hostname, port: server.port }).start()
      app({ brokerUrl: proxy.url(server.url) })
      const worker = await harness.started({ concurrency: 4 })
      const ids = Array.from({ length: 200 }, (_, n) => `r${n}`)
      for (const [n, id] of ids.entries()) {
        if (n % 40 === 20) await proxy.cut()
        await note(id)
      }
      for (const id of ids) await eventually(id)
      expect(new Set(ran).size).to.equal(ids.length)
      await worker.stop()
      await proxy.stop()
    })

    it('a broker that is gone for good hands over to the next one on the list', async () => {
      const second = await amqpUrl()
      const queue = `failover-${process.pid}-${Date.now()}`
      app({ brokerUrl: [server.url, second], taskDefaultQueue: queue })
      const worker = await harness.started()
      await note('first')
      await eventually('first')
      await server.kill()
      const transport = new AmqpTransport(second, OPTIONS)
      await until(() => worker.broker === transport.address, { what: 'the second broker' })
      await note('second')
      await eventually('second')
      expect(harness.logs('error').join()).to.contain('Will retry using next failover.')
      await worker.stop()
      const connection = await transport.connect()
      await (await connection.channel()).deleteQueue(queue)
      await connection.close()
    })
  })
})
