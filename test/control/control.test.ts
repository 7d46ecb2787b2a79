/** Commands and replies between an app and nodes, on every broker. */

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { encodePidboxRequest, type PidboxRequest } from '../../protocol/pidbox.ts'
import { Celery } from '../../src/app/celery.ts'
import type { SettingsInput } from '../../src/conf/settings.ts'
import type { Control } from '../../src/control/control.ts'
import { NO_REPLY, Node, type Panel } from '../../src/control/node.ts'
import { OperationalError } from '../../src/errors.ts'
import type { Connection } from '../../src/messaging/connection.ts'
import { LOG_LEVELS, type Logger } from '../../src/runtime/log.ts'
import { MemoryTransport } from '../../src/transports/memory/transport.ts'
import { amqpUrl, redisUrl } from '../support/services.ts'
import { until } from '../support/until.ts'

const BROKERS = [
  ['memory', async () => `memory://control-${randomUUID()}`],
  ['Redis', redisUrl],
  ['RabbitMQ', amqpUrl],
] as const

class Surroundings {
  readonly app: Celery
  readonly logged: string[] = []
  readonly heard: unknown[] = []
  readonly connections: Connection[] = []
  readonly #nodes: Node[] = []

  constructor(brokerUrl: string, settings: SettingsInput = {}) {
    const entries = LOG_LEVELS.map((level) => [
      level,
      (message: string): void => void this.logged.push(`${level} ${message}`),
    ])
    const logger = Object.fromEntries(entries) as Logger
    this.app = new Celery('control', { brokerUrl, ...settings }, { logger, env: {} })
  }

  /** A node that notes what it hears, and replies `ok`. */
  async node(hostname: string, panel?: Panel): Promise<Node> {
    const connection = this.app.connectionForRead()
    this.connections.push(connection)
    const revoke = (args: unknown): unknown => {
      this.heard.push([hostname, args])
      return { ok: hostname }
    }
    const node = new Node({
      mailbox: this.app.control.mailbox,
      hostname,
      connection,
      panel: panel ?? new Map([['revoke', revoke]]),
      log: this.app.log,
    })
    this.#nodes.push(node)
    await node.start()
    return node
  }

  /** Sends any body as a command. */
  async send(body: Partial<PidboxRequest> | string): Promise<void> {
    const nothing = { destination: null, pattern: null, matcher: null, ticket: null, replyTo: null }
    const request = { method: 'revoke', arguments: {}, ...nothing }
    const options = { codec: this.app.codec, serializer: 'json', clock: 1, expires: 0 }
    const message = encodePidboxRequest(
      typeof body === 'string' ? request : { ...request, ...body },
      options,
    )
    await this.app.producer.publish(
      typeof body === 'string' ? { ...message, body: Buffer.from(body) } : message,
      {
        exchange: 'celery.pidbox',
        routingKey: '',
        exchangeType: 'fanout',
        declare: [this.app.control.mailbox.exchange],
        timeout: 5,
      },
    )
  }

  async close(): Promise<void> {
    for (const node of this.#nodes) await node.stop()
    for (const connection of this.connections) await connection.close()
    await this.app.close()
  }
}

for (const [name, url] of BROKERS) {
  describe(`remote control on ${name}`, () => {
    let here: Surroundings

    beforeEach(async () => (here = new Surroundings(await url())))
    afterEach(() => here.close())

    const args = { task_id: 'x', terminate: false, signal: 'SIGTERM' }

    it('reaches all nodes, and waits for nobody', async () => {
      await here.node('a@host')
      await here.node('b@host')
      expect(await here.app.control.revoke('x')).to.deep.equal([])
      await until(() => here.heard.length === 2)
      expect(here.heard).to.deep.include.members([
        ['a@host', args],
        ['b@host', args],
      ])
    })

    it('reaches only those that it is for, and is over when they have replied', async () => {
      await here.node('a@host')
      await here.node('b@host')
      const options = { destination: ['b@host'], reply: true, timeout: 20 }
      const replies = await here.app.control.revoke(['x', 'y'], options)
      expect(replies).to.deep.equal([{ 'b@host': { ok: 'b@host' } }])
      expect(here.heard).to.deep.equal([['b@host', { ...args, task_id: ['x', 'y'] }]])
    })

    it('collects what is replied in time', async () => {
      await here.node('a@host')
      await here.node('b@host')
      const replies = await here.app.control.revoke('x', { reply: true, timeout: 0.3 })
      expect(replies).to.have.deep.members([
        { 'a@host': { ok: 'a@host' } },
        { 'b@host': { ok: 'b@host' } },
      ])
    })

    it('tells the questions apart that are asked at once', async () => {
      await here.node('a@host')
      const ask = (id: string): Promise<unknown> =>
        here.app.control.revoke(id, { destination: ['a@host'], reply: true, timeout: 20 })
      const replies = await Promise.all(['x', 'y', 'z'].map(ask))
      expect(replies).to.deep.equal(replies.map(() => [{ 'a@host': { ok: 'a@host' } }]))
    })

    it('goes on after all that is no command', async () => {
      await here.node('a@host')
      await here.send('{')
      await here.send('[]')
      await here.send('{"method": "revoke", "arguments": {"__proto__": 1}}')
      await here.send({ method: 'x'.repeat(2000) })
      await here.send({ method: '__proto__' })
      await here.send({ pattern: '(a+)+$', matcher: 'pcre' })
      await here.send({ ticket: 't', replyTo: { exchange: 'amq.direct', routingKey: 'x' } })
      await here.app.control.revoke('last')
      await until(() => here.heard.length === 2)
      const errors = here.logged.filter((line) => line.startsWith('error'))
      expect(errors).to.have.length(7)
      expect(here.heard.at(-1)).to.deep.equal(['a@host', { ...args, task_id: 'last' }])
    })
  })
}

describe('remote control', () => {
  let here: Surroundings
  let brokerUrl: string

  beforeEach(() => {
    brokerUrl = `memory://control-${randomUUID()}`
    here = new Surroundings(brokerUrl)
  })
  afterEach(() => here.close())

  const ask = (): Promise<unknown> =>
    here.app.control.revoke('x', { destination: ['a@host'], reply: true, timeout: 5 })

  it('listens again after a lost connection', async () => {
    await here.node('a@host')
    await new MemoryTransport(brokerUrl).breakConnections()
    await until(() => here.connections[0]?.connected === true)
    await until(async () => {
      await here.app.control.revoke('x')
      return here.heard.length > 0
    })
  })

  it('replies with the error that a command throws, as Python writes it', async () => {
    const panel: Panel = new Map([
      [
        'revoke',
        () => {
          throw new TypeError('no')
        },
      ],
    ])
    await here.node('a@host', panel)
    expect(await ask()).to.deep.equal([{ 'a@host': { error: "TypeError('no')" } }])
  })

  it('replies with a KeyError to what is no command', async () => {
    await here.node('a@host', new Map())
    expect(await ask()).to.deep.equal([{ 'a@host': { error: "KeyError('revoke')" } }])
  })

  it('replies with null when a command gives nothing', async () => {
    await here.node('a@host', new Map([['revoke', () => undefined]]))
    expect(await ask()).to.deep.equal([{ 'a@host': null }])
  })

  it('ends the wait when its signal aborts, and leaves nothing open', async () => {
    const abort = new AbortController()
    const { mailbox } = here.app.control
    const command = { method: 'revoke', arguments: {} }
    const call = mailbox.call(command, { timeout: 60, signal: abort.signal })
    setImmediate(() => abort.abort())
    const error = await call.catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'ERR_ABORTED')
  })

  it('starts without a queue that the broker refuses, and says so', async () => {
    const channel = await here.app.connectionForRead().channel()
    await channel.declareExchange({ name: 'celery.pidbox', type: 'direct' })
    await here.node('a@host')
    expect(here.logged.join('\n')).to.include('error pidbox: Remote control is off: ')
  })

  it('names its exchanges and queues by the settings', () => {
    const settings = { controlExchange: 'fleet', controlQueueTtl: 60, controlQueueExpires: 2.5 }
    const { mailbox } = new Surroundings(brokerUrl, settings).app.control
    expect(mailbox.queue('a@host')).to.deep.equal({
      name: 'a@host.fleet.pidbox',
      bindings: [
        { exchange: { name: 'fleet.pidbox', type: 'fanout', durable: false }, routingKey: '' },
      ],
      durable: false,
      exclusive: false,
      autoDelete: true,
      arguments: { 'x-expires': 2500, 'x-message-ttl': 60_000 },
    })
    expect(mailbox.replyExchange.name).to.equal('reply.fleet.pidbox')
  })

  it('refuses to revoke what is no id', async () => {
    for (const id of ['', [''], [1], { id: 1 }, null]) {
      const error = await here.app.control.revoke(id as string).catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(TypeError)
    }
  })

  it('refuses what no worker takes', async () => {
    const { control } = here.app
    const wrong: readonly (() => Promise<unknown>)[] = [
      () => control.rateLimit('t', 'often'),
      () => control.rateLimit('t', -1),
      () => control.timeLimit('t', { soft: -1 }),
      () => control.timeLimit('t', { hard: Number.NaN }),
      () => control.poolGrow(1.5),
      () => control.poolShrink(-1),
      () => control.autoscale(1, 2),
      () => control.autoscale(Infinity, 2),
    ]
    for (const call of wrong) {
      expect(await call().catch((reason: unknown) => reason)).to.be.instanceOf(TypeError)
    }
  })

  it('replies nothing where a command says so', async () => {
    await here.node('a@host', new Map([['revoke', () => NO_REPLY]]))
    expect(await here.app.control.revoke('x', { reply: true, timeout: 0.2 })).to.deep.equal([])
  })

  /** What Celery's own methods send. @see celery 5.6, app/control.py */
  const CALLS: readonly (readonly [string, object, (control: Control) => Promise<unknown>])[] = [
    ['ping', {}, (control) => control.ping({ timeout: 0.05 })],
    [
      'revoke',
      { task_id: 'x', terminate: true, signal: 'SIGKILL' },
      (control) => control.terminate('x', { signal: 'SIGKILL' }),
    ],
    [
      'revoke_by_stamped_headers',
      { headers: { tenant: ['acme'] }, terminate: false, signal: 'SIGTERM' },
      (control) => control.revokeByStampedHeaders({ tenant: ['acme'] }),
    ],
    [
      'rate_limit',
      { task_name: 't', rate_limit: '10/m' },
      (control) => control.rateLimit('t', '10/m'),
    ],
    ['rate_limit', { task_name: 't', rate_limit: null }, (control) => control.rateLimit('t', null)],
    [
      'time_limit',
      { task_name: 't', hard: 2.5, soft: null },
      (control) => control.timeLimit('t', { hard: 2.5 }),
    ],
    ['pool_grow', { n: 1 }, (control) => control.poolGrow()],
    ['pool_shrink', { n: 3 }, (control) => control.poolShrink(3)],
    [
      'pool_restart',
      { modules: null, reload: true, reloader: null },
      (control) => control.poolRestart({ reload: true }),
    ],
    ['autoscale', { max: 10, min: 2 }, (control) => control.autoscale(10, 2)],
    ['shutdown', {}, (control) => control.shutdown()],
  ]

  for (const [method, args, call] of CALLS) {
    it(`sends ${method} with ${JSON.stringify(args)}`, async () => {
      const heard: unknown[] = []
      const hear = (given: unknown): void => void heard.push(given)
      await here.node('a@host', new Map([[method, hear]]))
      await call(here.app.control)
      await until(() => heard.length === 1)
      expect(heard).to.deep.equal([args])
    })
  }

  it('fails where there is no broker', async () => {
    const nowhere = new Surroundings('redis://127.0.0.1:1/0', {
      taskPublishRetryPolicy: { maxRetries: 0 },
    })
    const error = await nowhere.app.control.revoke('x').catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(OperationalError)
    const { control } = nowhere.app
    const waited = await control.revoke('x', { reply: true }).catch((reason: unknown) => reason)
    expect(waited).to.be.instanceOf(OperationalError)
    await nowhere.close()
  })
})
