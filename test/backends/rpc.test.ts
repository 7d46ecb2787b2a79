/** Whether results travel as messages as Celery's do, on a broker of each kind. */

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import type { Message } from '../../protocol/message.ts'
import { decodeMeta } from '../../protocol/result.ts'
import type { BackendDeps } from '../../src/backends/deps.ts'
import { RpcBackend } from '../../src/backends/rpc.ts'
import { RecentMetas } from '../../src/backends/rpc/recent-metas.ts'
import { NotSupported } from '../../src/errors.ts'
import { Connection } from '../../src/messaging/connection.ts'
import { Producer } from '../../src/messaging/producer.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { openTransport } from '../../src/transports/open.ts'
import { AsyncResult } from '../../src/results/async-result.ts'
import { ResultSet } from '../../src/results/result-set.ts'
import { backendContract } from '../contracts/backend.ts'
import { backendDeps, meta } from '../support/backend.ts'
import { amqpUrl, redisUrl, startRabbitmq } from '../support/services.ts'
import { within } from '../support/until.ts'

const RETRY = { maxRetries: null, intervalStart: 0, intervalStep: 0.1, intervalMax: 0.2 }

function connect(url: string): Connection {
  const { limits } = backendDeps().codec
  const options = { connectTimeout: 5, heartbeat: 0, transportOptions: {}, limits, logger: SILENT }
  return new Connection({ transports: [openTransport(url, options)], retry: RETRY, logger: SILENT })
}

/** A backend with a connection of its own to send by. */
function openRpc(url: string, oid: string, more: Partial<BackendDeps> = {}) {
  const connection = connect(url)
  const producer = new Producer(connection)
  const rpc = { oid, connection: () => connect(url), producer: () => producer, persistent: false }
  const backend = new RpcBackend(backendDeps({ rpc, ...more }))
  const close = async (): Promise<void> => {
    await backend.close()
    await producer.close()
    await connection.close()
  }
  return { backend, producer, connection, close }
}

const BROKERS: readonly (readonly [string, () => Promise<string>])[] = [
  ['RabbitMQ', amqpUrl],
  ['Redis', redisUrl],
  ['memory', async () => `memory://${randomUUID()}`],
]

for (const [broker, brokerUrl] of BROKERS) {
  describe(`the rpc backend over ${broker}`, () => {
    backendContract(async () => {
      const url = await brokerUrl()
      const oid = randomUUID()
      const [client, worker] = [openRpc(url, oid), openRpc(url, 'worker')]
      return {
        client: client.backend,
        worker: worker.backend,
        options: { replyTo: oid },
        close: async () => {
          await client.close()
          await worker.close()
        },
      }
    })
  })
}

describe('the rpc backend', () => {
  for (const name of ['SUCCESS', 'FAILURE-CustomErr', 'PROGRESS', 'REVOKED-TaskRevokedError']) {
    it(`sends the message of 562.amqp.result-rpc-${name}`, async () => {
      const file = new URL(`../../fixtures/562.amqp.result-rpc-${name}.json`, import.meta.url)
      const { publish } = JSON.parse(readFileSync(file, 'utf8')) as {
        publish: {
          args: { routing_key: string }
          body: string
          properties: { correlation_id: string }
        }
      }
      const sent: { message: Message; request: unknown }[] = []
      const producer = {
        publish: async (message: Message, request: unknown) => void sent.push({ message, request }),
      } as unknown as Producer
      const rpc = { ...backendDeps().rpc, producer: () => producer }
      const backend = new RpcBackend(backendDeps({ rpc }))
      const replyTo = publish.args.routing_key
      await backend.store(decodeMeta(JSON.parse(publish.body)), { replyTo })
      const [{ message, request } = { message: undefined, request: undefined }] = sent
      expect(request).to.include({ exchange: '', routingKey: replyTo })
      expect(message?.body.toString()).to.equal(publish.body)
      expect(message).to.deep.include({
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        headers: {},
        properties: {
          correlationId: publish.properties.correlation_id,
          deliveryMode: 1,
          priority: 0,
        },
      })
    })
  }

  it('counts no chords, in the words of Celery', () => {
    const backend = new RpcBackend(backendDeps())
    expect(() => backend.groups).to.throw(
      NotSupported,
      /^The "rpc" result backend does not support/,
    )
  })

  it('drops a result that nobody asked for, without a broker', async () => {
    await new RpcBackend(backendDeps()).store(meta('a', 'SUCCESS'))
  })

  it('ends a wait for bytes that cannot be read, and goes on', async () => {
    const oid = randomUUID()
    const { backend, producer, close } = openRpc(await amqpUrl(), oid)
    await backend.onTaskCall()
    const broken = new AsyncResult('broken', { backend }).get().catch((error: unknown) => error)
    const fine = new AsyncResult('fine', { backend }).get()
    const message: Message = {
      body: Buffer.from('{"status'),
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      headers: {},
      properties: { correlationId: 'broken' },
    }
    await producer.publish(message, { exchange: '', routingKey: oid, timeout: 5 })
    await producer.publish(
      { ...message, contentType: 'application/x-python-serialize', properties: {} },
      { exchange: '', routingKey: oid, timeout: 5 },
    )
    expect(await within(5, broken)).to.include({ code: 'ERR_DECODE' })
    await backend.store(meta('fine', 'SUCCESS', 1), { replyTo: oid })
    expect(await within(5, fine)).to.equal(1)
    await close()
  })

  it('has one consumer for ten thousand who wait, and leaves nothing behind', async () => {
    const oid = randomUUID()
    const { backend, connection, close } = openRpc(await amqpUrl(), oid)
    const ids = Array.from({ length: 10_000 }, () => randomUUID())
    const results = ids.map((id) => new AsyncResult<number>(id, { backend }))
    const answer = new ResultSet<number[]>(results).get()
    await backend.onTaskCall()
    await Promise.all(ids.map((id, n) => backend.store(meta(id, 'SUCCESS', n), { replyTo: oid })))
    expect(await within(60, answer)).to.deep.equal(ids.map((_, n) => n))
    const channel = await connection.channel()
    const declared = await channel.declareQueue({
      name: oid,
      bindings: [],
      durable: false,
      autoDelete: true,
      arguments: { 'x-expires': 86_400_000 },
    })
    expect(declared).to.include({ messageCount: 0, consumerCount: 1 })
    await close()
  }).timeout(90_000)

  it('declares its queue again after the broker was away, and hears what comes then', async () => {
    const server = await startRabbitmq()
    const oid = randomUUID()
    const { backend, close } = openRpc(server.url, oid)
    const result = new AsyncResult('a', { backend }).get()
    await backend.onTaskCall('a')
    await server.restart()
    await within(30, backend.onTaskCall('b'))
    await backend.store(meta('a', 'SUCCESS', 1), { replyTo: oid })
    expect(await within(10, result)).to.equal(1)
    await close()
    await server.stop()
  }).timeout(90_000)

  it('refuses a call in time when there is no broker', async () => {
    const { backend, close } = openRpc('amqp://127.0.0.1:1/', 'oid')
    const error = await backend
      .onTaskCall('a', { signal: AbortSignal.timeout(100) })
      .catch((reason: unknown) => reason)
    expect(error).to.include({ code: 'ERR_ABORTED' })
    await within(5, close())
  })

  it('tells all who wait for the reply queue that it was closed', async () => {
    const { backend, close } = openRpc('amqp://127.0.0.1:1/', 'oid')
    const calls = ['a', 'b', 'c'].map((id) => backend.onTaskCall(id))
    const outcomes = Promise.allSettled(calls)
    await within(5, close())
    const settled = await within(1, outcomes)
    expect(settled.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected', 'rejected'])
  })
})

describe('the metas that came of late', () => {
  it('are bounded: the oldest go', () => {
    const recent = new RecentMetas()
    for (let n = 0; n < 9000; n += 1) recent.put(meta(`t${n}`, 'SUCCESS', n), 100)
    expect(recent.get('t8999')?.result).to.equal(8999)
    expect(recent.get('t0')).to.equal(undefined)
    recent.put(meta('large', 'SUCCESS'), 70 * 1024 * 1024)
    expect([recent.get('large')?.status, recent.get('t8999')]).to.deep.equal(['SUCCESS', undefined])
  })
})
