/** What an app sends: options, settings and routes as they stand in the message. */

import { expect } from 'chai'
import { signature } from '../../protocol/signature.ts'
import { readFileSync } from 'node:fs'
import { DateTime } from 'luxon'
import { PythonDateTime } from '../../protocol/python/datetime.ts'
import { afterTaskPublish, beforeTaskPublish } from '../../src/app/signals.ts'
import type { Celery } from '../../src/celery.ts'
import type { SettingsInput } from '../../src/conf/settings.ts'
import {
  ImproperlyConfigured,
  OperationalError,
  QueueNotFound,
  TimeoutError,
} from '../../src/errors.ts'
import type { CallOptions } from '../../src/task/sender.ts'
import { createTestApp } from '../../src/testing.ts'
import { sent, take } from './sent.ts'

interface Capture {
  readonly how: string
  readonly queue: string
  readonly headers: Record<string, unknown>
  readonly properties: Record<string, unknown>
  readonly body: string
}

/** A message that Celery 5.6.2 sent over RabbitMQ. */
function capture(name: string): Capture {
  const file = new URL(`../../fixtures/562.amqp.${name}.json`, import.meta.url)
  const { how, captured } = JSON.parse(readFileSync(file, 'utf8')) as {
    how: string
    captured: Record<string, { properties: Record<string, unknown>; body_bytes: string }[]>
  }
  const [[queue, [message]]] = Object.entries(captured) as [[string, [never]]]
  const { properties, body_bytes: body } = message as (typeof captured)[string][number]
  const { application_headers: headers, ...rest } = properties
  return { how, queue, headers: headers as Record<string, unknown>, properties: rest, body }
}

const mul = { task: 'wire.mul', args: [10], kwargs: {}, options: {} }
const plain = { subtask_type: null, immutable: false }

/** Our call for each capture; its title is Python's. */
const CASES: readonly (readonly [
  capture: string,
  task: string,
  args: readonly unknown[],
  options?: CallOptions,
  settings?: SettingsInput,
])[] = [
  ['task-simple', 'wire.add', [2, 3]],
  ['task-send_task', 'wire.add', [2, 3]],
  ['task-noargs', 'wire.ret', []],
  ['task-countdown-zero', 'wire.add', [1, 2], { countdown: 0 }],
  ['task-countdown', 'wire.add', [1, 2], { countdown: { seconds: 10 } }],
  ['task-custom-id', 'wire.add', [1, 2], { taskId: 'my-id-1' }],
  ['task-delivery-mode-transient', 'wire.add', [1, 2], { deliveryMode: 1 }],
  ['task-expires-seconds', 'wire.add', [1, 2], { expires: 60 }],
  ['task-expires-float', 'wire.add', [1, 2], { expires: 1.5 }],
  ['task-ignore-result', 'wire.add', [1, 2], { ignoreResult: true }],
  ['task-priority', 'wire.add', [1, 2], { priority: 6 }],
  ['task-priority-zero', 'wire.add', [1, 2], { priority: 0 }],
  ['task-queue', 'wire.add', [1, 2], { queue: 'other.q' }],
  ['task-retries', 'wire.add', [1, 2], { retries: 2 }],
  ['task-shadow', 'wire.add', [1, 2], { shadow: 'my shadow' }],
  ['task-timelimit', 'wire.add', [1, 2], { timeLimit: 30, softTimeLimit: 20.5 }],
  ['task-link', 'wire.add', [1, 2], { link: { ...mul, ...plain } }],
  [
    'task-custom-headers',
    'wire.add',
    [1, 2],
    { headers: { 'x-trace': 'abc', n: 7, nested: { a: [1, null, true] }, shadow: 'hdr-shadow' } },
  ],
  [
    'task-custom-properties',
    'wire.add',
    [1, 2],
    { properties: { app_id: 'myapp', type: 't', messageId: 'mid' } },
  ],
  [
    'task-eta-naive',
    'wire.add',
    [1, 2],
    { eta: new PythonDateTime(Date.UTC(2030, 0, 2, 3, 4, 5)) },
  ],
  [
    'task-eta-offset',
    'wire.add',
    [1, 2],
    { eta: DateTime.fromISO('2030-01-02T03:04:05+02:00', { setZone: true }) },
  ],
  ['task-eta-utc', 'wire.add', [1, 2], { eta: '2030-01-02T03:04:05.678901+00:00' }],
  ['task-expires-datetime', 'wire.add', [1, 2], { expires: new Date(Date.UTC(2030, 0, 2)) }],
  [
    'v1-full',
    'wire.add',
    [2],
    {
      kwargs: { y: 3 },
      countdown: 10,
      expires: 60,
      timeLimit: 30,
      softTimeLimit: 20,
      link: { ...mul, args: [2], ...plain },
      linkError: { ...mul, task: 'wire.onerr_old', args: [], ...plain },
      retries: 1,
      headers: { h: 1 },
    },
    { taskProtocol: 1 },
  ],
]

/** Ids and times are of the moment: in their place stands what they are. */
const CHANGING: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>'],
  [/20(2[5-9])-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00/g, '<now>'],
  [/gen\d+@[\w.-]+/g, '<origin>'],
  [/"expiration":"\d{10,}"/g, '"expiration":"<years>"'],
]

function settled(value: unknown): unknown {
  const text = JSON.stringify(value)
  return JSON.parse(CHANGING.reduce((old, [pattern, name]) => old.replace(pattern, name), text))
}

describe('a call as a message', () => {
  for (const [name, task, args, options, settings] of CASES) {
    const golden = capture(name)
    it(`is Celery's: ${golden.how} (${name})`, async () => {
      await using app = createTestApp(settings)
      await app.sendTask(task, args, options)
      const { message, exchange, routingKey } = await sent(app, golden.queue)
      const { correlationId, replyTo, deliveryMode, priority, expiration } = message.properties
      const { messageId, type, appId } = message.properties
      expect([exchange, routingKey]).to.deep.equal(['', golden.queue])
      expect(settled(message.headers)).to.deep.equal(settled(golden.headers))
      expect(settled(message.body.toString())).to.equal(settled(golden.body))
      const properties = {
        content_type: message.contentType,
        content_encoding: message.contentEncoding,
        delivery_mode: deliveryMode,
        priority,
        correlation_id: correlationId,
        reply_to: replyTo,
        expiration,
        message_id: messageId,
        type,
        app_id: appId,
      }
      expect(settled(properties)).to.deep.equal(settled(golden.properties))
      if (name !== 'v1-full') {
        expect(Object.keys(message.headers)).to.deep.equal(Object.keys(golden.headers))
      }
    })
  }

  it('writes times in the zone of the app', async () => {
    await using app = createTestApp({ timezone: 'Asia/Kolkata' })
    await app.sendTask('t', [], { eta: new Date(Date.UTC(2030, 0, 2)), countdown: 0 })
    const { message } = await sent(app)
    expect(message.headers['eta']).to.equal('2030-01-02T05:30:00+05:30')
  })

  it('leaves it to the worker to drop a part of a chord, so that the body fails, and does not wait', async () => {
    await using app = createTestApp()
    const chord = signature('body')
    const end = signature('end', [], {}, { options: { chord } })
    for (const options of [{ chord, groupId: 'g' }, { chain: [end, signature('next')] }]) {
      await app.sendTask('t', [], { expires: 60, ...options })
      const { message } = await sent(app)
      expect(message.headers['expires']).to.be.a('string')
      expect(message.properties.expiration).to.equal(undefined)
    }
  })

  it('names no time to live that RabbitMQ would refuse', async () => {
    await using app = createTestApp()
    await app.sendTask('t', [], { expires: 1e9 })
    const { message } = await sent(app)
    expect(message.headers['expires']).to.be.a('string')
    expect(message.properties.expiration).to.equal(undefined)
  })

  it('has no time to live when it has expired already', async () => {
    await using app = createTestApp()
    const lives: unknown[] = []
    const disconnect = beforeTaskPublish.connect(({ properties }) => {
      lives.push(properties['expiration'])
    })
    await app.sendTask('t', [], { expires: -5 })
    disconnect()
    expect(lives).to.deep.equal(['0'])
  })

  it('carries stamps by name', async () => {
    await using app = createTestApp()
    await app.sendTask('t', [], { stamps: { tenant: 'acme' } })
    const { message } = await sent(app)
    expect(message.headers).to.include.deep.keys('stamped_headers')
    expect(message.headers['stamped_headers']).to.deep.equal(['tenant'])
    expect(message.headers['stamps']).to.deep.equal({ tenant: 'acme' })
  })

  it('takes serializer, compression and delivery mode of the settings', async () => {
    await using app = createTestApp({
      taskSerializer: 'msgpack',
      taskCompression: 'zlib',
      taskDefaultDeliveryMode: 'transient',
    })
    await app.sendTask('t', [1])
    const { message } = await sent(app)
    expect(message.contentType).to.equal('application/x-msgpack')
    expect(message.headers['compression']).to.equal('application/x-gzip')
    expect(message.properties.deliveryMode).to.equal(1)
  })

  it('has the default priority where the task is known here', async () => {
    await using app = createTestApp({ taskDefaultPriority: 4 })
    await app.task('known', () => {}).delay()
    await app.sendTask('unknown')
    expect((await sent(app)).message.properties.priority).to.equal(4)
    expect((await sent(app)).message.properties.priority).to.equal(0)
  })
})

describe('a call that cannot be', () => {
  const wrong: readonly (readonly [string, CallOptions, string])[] = [
    [
      'an unknown option',
      { countdonw: 5 } as CallOptions,
      "'countdonw'; did you mean 'countdown'?",
    ],
    ['countdown and eta', { countdown: 5, eta: new Date() }, 'a countdown or an eta, not both'],
    ['a countdown that is no number', { countdown: NaN }, 'countdown must be a number of seconds'],
    ['a countdown beyond the calendar', { countdown: 1e15 }, 'countdown is out of range'],
    ['an eta that is no time', { eta: 'tomorrow' }, 'eta must be a time in ISO 8601'],
    ['an invalid eta', { eta: new Date('no') }, 'eta must be a Date or a DateTime'],
    ['a soft limit above the hard one', { timeLimit: 1, softTimeLimit: 2 }, 'must not exceed'],
    ['a priority that is no byte', { priority: 256 }, 'a whole number, 0 to 255'],
    ['an empty id', { taskId: '' }, 'must not be empty'],
    ['keywords that are a list', { kwargs: [] as never }, 'must be an object'],
  ]
  for (const [what, options, message] of wrong) {
    it(`is refused before anything is opened: ${what}`, async () => {
      const app = createTestApp({ brokerUrl: 'amqp://nowhere.invalid' })
      await expectRejection(app.sendTask('t', [], options), ImproperlyConfigured, message)
    })
  }

  it('is refused for a name or arguments that are none', async () => {
    const app = createTestApp()
    await expectRejection(app.sendTask(''), ImproperlyConfigured, 'by its name')
    await expectRejection(app.sendTask('t', {} as never), ImproperlyConfigured, 'must be a list')
    expect(await take(app)).to.equal(undefined)
  })

  it('is refused when its queue must not be made', async () => {
    const app = createTestApp({ taskCreateMissingQueues: false })
    await expectRejection(app.sendTask('t', [], { queue: 'nope' }), QueueNotFound, "Queue 'nope'")
  })
})

describe('a call that does not arrive', () => {
  it('rejects with the reason when no broker answers', async () => {
    await using app = createTestApp({
      brokerUrl: 'redis://127.0.0.1:1',
      resultBackend: 'disabled://',
      taskPublishRetryPolicy: { maxRetries: 1, intervalMax: 0 },
    })
    await expectRejection(app.sendTask('t'), OperationalError, '127.0.0.1:1')
  })

  it('rejects within its timeout when a broker keeps silent', async () => {
    await using app = createTestApp()
    const producer = { publish: () => new Promise<void>(() => {}), close: async () => {} }
    Object.defineProperty(app, 'backend', {
      value: { onTaskCall: () => new Promise<void>(() => {}), close: async () => {} },
    })
    Object.defineProperty(app, 'producer', { value: producer })
    await expectRejection(app.sendTask('t', [], { timeout: 0.02 }), TimeoutError, 'not ready')
    const short = { timeout: { milliseconds: 20 } }
    await expectRejection(app.sendTask('t', [], short), TimeoutError, 'in 0.02 s')
    const none = { timeout: '5' as never }
    await expectRejection(app.sendTask('t', [], none), ImproperlyConfigured, 'timeout must be')
  })

  it('rejects when its signal aborts', async () => {
    await using app = createTestApp()
    const signal = AbortSignal.abort(new Error('enough'))
    await expectRejection(app.sendTask('t', [], { signal }), Error, 'aborted')
    expect(await take(app)).to.equal(undefined)
  })

  it('rejects when the app is closed', async () => {
    const app = createTestApp()
    await app.close()
    await expectRejection(app.sendTask('t'), OperationalError, 'is closed')
  })
})

describe('the signals of a publish', () => {
  let disconnect: (() => void)[] = []
  afterEach(() => {
    for (const undo of disconnect) undo()
    disconnect = []
  })

  it('come before, when headers may still change, and after', async () => {
    await using app = createTestApp()
    const heard: string[] = []
    disconnect = [
      beforeTaskPublish.connect(
        ({ headers, properties, routingKey }) => {
          headers['x-added'] = 1
          properties['appId'] = 'me'
          heard.push(`before ${routingKey}`)
        },
        { sender: 'wanted' },
      ),
      afterTaskPublish.connect(({ sender }) => void heard.push(`after ${sender}`)),
    ]
    await app.sendTask('wanted')
    const { message } = await sent(app)
    expect(heard).to.deep.equal(['before celery', 'after wanted'])
    expect(message.headers['x-added']).to.equal(1)
    expect(message.properties.appId).to.equal('me')
    await app.sendTask('other')
    expect((await sent(app)).message.headers).not.to.have.property('x-added')
  })

  it('tell what Celery tells: the body, and how it is tried again', async () => {
    await using app = createTestApp()
    const heard: unknown[] = []
    disconnect = [
      beforeTaskPublish.connect(({ body, retryPolicy }) => void heard.push(body, retryPolicy)),
    ]
    await app.sendTask('told', [1], { kwargs: { a: 2 }, retry: false })
    const embed = { callbacks: null, errbacks: null, chain: null, chord: null }
    expect(heard).to.deep.equal([[[1], { a: 2 }, embed], false])
    await app.sendTask('told')
    expect(heard[3]).to.equal(app.conf.taskPublishRetryPolicy)
  })
})

describe('where a call goes', () => {
  async function whereTo(
    settings: SettingsInput,
    options: CallOptions = {},
    name = 'shop.add',
  ): Promise<[exchange: string, routingKey: string, declared: string[]]> {
    const app: Celery = createTestApp(settings)
    const requests: { exchange: string; routingKey: string; declare: { name: string }[] }[] = []
    const publish = async (_: unknown, request: never): Promise<void> => void requests.push(request)
    Object.defineProperty(app, 'producer', { value: { publish } })
    await app.sendTask(name, [], options)
    const [request] = requests
    if (request === undefined) throw new Error('nothing was sent')
    return [request.exchange, request.routingKey, request.declare.map((queue) => queue.name)]
  }

  const topic: SettingsInput = {
    taskQueues: [
      { name: 'celery' },
      { name: 'feed', exchange: { name: 'news', type: 'topic' }, routingKey: 'feed.#' },
      { name: 'all', broadcast: true },
    ],
  }

  it('is the default exchange for a direct queue', async () => {
    expect(await whereTo({})).to.deep.equal(['', 'celery', ['celery']])
    expect(await whereTo({}, { queue: 'math' })).to.deep.equal(['', 'math', ['math']])
  })

  it('is the default queue when only an exchange or only a key is given, as in Celery', async () => {
    expect(await whereTo({}, { exchange: 'x' })).to.deep.equal(['', 'celery', ['celery']])
    expect(await whereTo({}, { routingKey: 'k' })).to.deep.equal(['', 'celery', ['celery']])
  })

  it('is the exchange and the key that were both given', async () => {
    const options = { exchange: 'x', routingKey: 'k' }
    expect(await whereTo({}, options)).to.deep.equal(['x', 'k', ['celery']])
  })

  it('is the exchange of a topic queue, and its pattern as the key', async () => {
    expect(await whereTo(topic, { queue: 'feed' })).to.deep.equal(['news', 'feed.#', ['feed']])
    const options = { queue: 'feed', routingKey: 'feed.a' }
    expect(await whereTo(topic, options)).to.deep.equal(['news', 'feed.a', ['feed']])
  })

  it('is a broadcast that senders do not declare', async () => {
    expect(await whereTo(topic, { queue: 'all' })).to.deep.equal(['all', 'celery', []])
  })

  it('is what the route says, with what the call says over it', async () => {
    const settings: SettingsInput = {
      ...topic,
      taskRoutes: { 'shop.*': { queue: 'feed', routingKey: 'feed.shop' } },
    }
    expect(await whereTo(settings)).to.deep.equal(['news', 'feed.shop', ['feed']])
    expect(await whereTo(settings, { routingKey: 'feed.x' })).to.deep.equal([
      'news',
      'feed.x',
      ['feed'],
    ])
    expect(await whereTo(settings, { queue: 'math' })).to.deep.equal(['', 'math', ['math']])
    expect(await whereTo(settings, {}, 'else')).to.deep.equal(['', 'celery', ['celery']])
  })

  it('is that of the task which map and starmap call', async () => {
    const settings: SettingsInput = { taskRoutes: { 'shop.*': { queue: 'math' } } }
    for (const map of ['celery.map', 'celery.starmap']) {
      const inner = (task: unknown) => whereTo(settings, { kwargs: { task, it: [] } }, map)
      expect(await inner(signature('shop.add'))).to.deep.equal(['', 'math', ['math']])
      expect(await inner('shop.add')).to.deep.equal(['', 'celery', ['celery']])
    }
  })

  it('needs a key or a queue beside a direct exchange', async () => {
    const settings = { taskRoutes: { 'shop.add': { exchange: 'x' } } }
    await expectRejection(whereTo(settings), ImproperlyConfigured, 'needs a routing key or a queue')
  })
})

async function expectRejection(
  promise: Promise<unknown>,
  type: new (...args: never) => Error,
  message: string,
): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).to.be.instanceOf(type)
  expect((error as Error).message).to.include(message)
}
