/** One app on each real broker: what it sends arrives, and what it awaits comes. */

import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import { Celery } from '../../src/celery.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { tlsOptions } from '../../src/app/broker.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { startTestWorker } from '../../src/testing.ts'
import { amqpUrl, redisUrl } from '../support/services.ts'

const BROKERS: readonly (readonly [string, () => Promise<string>, () => Promise<string>])[] = [
  ['RabbitMQ with results on Redis', amqpUrl, redisUrl],
  ['RabbitMQ with results as messages', amqpUrl, async () => 'rpc://'],
  ['Redis with results on Redis', redisUrl, redisUrl],
  ['Redis with results as messages', redisUrl, async () => 'rpc://'],
]

describe('an app on a real broker', () => {
  for (const [what, broker, backend] of BROKERS) {
    it(`sends, runs and gets: ${what}`, async () => {
      const settings = {
        brokerUrl: await broker(),
        resultBackend: await backend(),
        taskDefaultQueue: `brokers-${randomUUID()}`,
      }
      await using app = new Celery('brokers', settings, { logger: SILENT, env: {} })
      const add = app.task('add', (x: number, y: number) => x + y)
      const boom = app.task('boom', () => {
        throw new RangeError('too far')
      })
      const worker = await startTestWorker(app)
      try {
        const results = await Promise.all(Array.from({ length: 50 }, (_, i) => add.delay(i, 1)))
        const values = await Promise.all(results.map((result) => result.get({ timeout: 10 })))
        expect(values).to.deep.equal(Array.from({ length: 50 }, (_, i) => i + 1))
        const failed = await boom.delay()
        const error = await failed.get({ timeout: 10 }).catch((reason: unknown) => reason)
        expect((error as Error).message).to.include('too far')
      } finally {
        await worker.stop()
      }
    })
  }

  it('fails over to the next of several', async () => {
    const brokerUrl = ['amqp://127.0.0.1:1', await amqpUrl()]
    await using app = new Celery('failover', { brokerUrl }, { logger: SILENT, env: {} })
    const queue = `failover-${randomUUID()}`
    expect((await app.sendTask('t', [], { queue })).id).to.be.a('string')
  })
})

describe('broker settings', () => {
  it('name at least one broker', () => {
    const app = new Celery('none', { brokerUrl: ' ; ' }, { logger: SILENT, env: {} })
    expect(() => app.connectionForRead()).to.throw(ImproperlyConfigured, 'names no broker')
  })

  it('name sentinels that are one broker, and others that take turns', () => {
    const open = (brokerUrl: string): Celery =>
      new Celery('several', { brokerUrl }, { logger: SILENT, env: {} })
    for (const brokerUrl of ['sentinel://a:1/0;sentinel://b:2', 'amqp://a;redis://b']) {
      expect(() => open(brokerUrl).connectionForRead()).to.not.throw()
    }
    expect(() => open('amqp://a;nosuch://b').connectionForRead()).to.throw('nosuch://')
  })

  it('name the files of TLS as Python does', () => {
    expect(tlsOptions(true)).to.equal(true)
    const self = new URL(import.meta.url).pathname
    const options = tlsOptions({ caCerts: self, rejectUnauthorized: false })
    expect(options).to.have.keys('ca', 'rejectUnauthorized')
    expect(() => tlsOptions({ keyfile: '/no/such/key' })).to.throw(
      ImproperlyConfigured,
      "'keyfile'",
    )
  })
})
