/** Redis in all the forms that a result backend may have it in, with Python on the other side of each. */

import { randomUUID } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { Celery } from '../../src/index.ts'
import { certificates } from '../../test/support/certificates.ts'
import { Process } from '../../test/support/process.ts'
import { REDIS } from '../../test/support/redis.ts'
import { freePort, sourceOf } from '../../test/support/server.ts'
import { startRedis, type RedisServer } from '../../test/support/services.ts'
import { until } from '../../test/support/until.ts'
import { PythonClient } from '../harness.ts'
import { celeries } from '../matrix.ts'

/** What both sides are configured with, in Python's words. */
interface Form {
  readonly result_backend: string
  readonly [setting: string]: unknown
}

const ACL = ['user', 'worker', 'on', '>p@ss:w/rd', '~celery-*', '&celery-*', '+@all', '-@dangerous']

for (const celery of celeries()) {
  describe(`results on Redis, as Celery ${celery.version} has them`, () => {
    let python: PythonClient
    let server: RedisServer
    let forms: Readonly<Record<string, Form>>

    before(async function () {
      this.timeout(60_000)
      const file = certificates()
      const socket = join(await mkdtemp(join(tmpdir(), 'celeriac-socket-')), 'redis.sock')
      const port = await freePort()
      const tls = ['--tls-port', String(port), '--tls-auth-clients', 'no']
      tls.push('--tls-cert-file', file('s.crt'), '--tls-key-file', file('s.key'))
      tls.push('--tls-ca-cert-file', file('ca.crt'))
      server = await startRedis({
        args: [...tls, '--unixsocket', socket, '--user', ...ACL.slice(1)],
      })
      python = new PythonClient(celery, { broker: 'memory://', backend: server.url })
      // it would go before what an app is configured with
      await python.eval("__import__('os').environ.pop('CELERY_RESULT_BACKEND')")
      const ca = `ssl_cert_reqs=required&ssl_ca_certs=${file('ca.crt')}`
      forms = {
        'by TLS': { result_backend: `rediss://localhost:${port}/1?${ca}` },
        'by a unix socket': { result_backend: `redis+socket://${socket}?virtual_host=2` },
        'as a user of its own': {
          result_backend: server.url.replace('//', `//worker:${encodeURIComponent('p@ss:w/rd')}@`),
        },
        'under a prefix': {
          result_backend: server.url,
          result_backend_transport_options: { global_keyprefix: 'team' },
        },
        'for ever': { result_backend: server.url, result_expires: null },
        'with retries without end': {
          result_backend: server.url,
          result_backend_always_retry: true,
        },
        extended: { result_backend: server.url, result_extended: true, result_serializer: 'yaml' },
        'in msgpack': {
          result_backend: server.url,
          result_serializer: 'msgpack',
          result_accept_content: ['msgpack'],
        },
      }
    })
    after(async () => {
      await python.stop()
      await server.stop()
    })

    for (const name of [
      'by TLS',
      'by a unix socket',
      'as a user of its own',
      'under a prefix',
      'for ever',
      'with retries without end',
      'extended',
      'in msgpack',
    ]) {
      // Celery 5.2 has no such prefix
      if (name === 'under a prefix' && celery.version.startsWith('5.2')) continue
      it(`${name} go both ways`, async () => {
        const form = forms[name]
        if (form === undefined) throw new Error(`no form ${name}`)
        await bothWays(python, form)
      })
    }

    it('by way of sentinels go both ways, and none is lost when another becomes the master', async function () {
      // sentinels name addresses that lead nowhere from one container to another
      if ((await sourceOf(REDIS)) === 'container') this.skip()
      this.timeout(90_000)
      const master = await startRedis()
      const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] })
      const port = await startSentinel(master.port)
      const sentinel = new Redis(port, '127.0.0.1', { retryStrategy: () => null })
      await until(
        async () =>
          String(await sentinel.call('SENTINEL', 'REPLICAS', 'main')).includes(
            String(replica.port),
          ),
        { seconds: 30 },
      )
      const form = {
        result_backend: `sentinel://127.0.0.1:${port}/0`,
        result_backend_transport_options: { master_name: 'main' },
      }
      await bothWays(python, form)
      const app = appOf(form)
      const id = randomUUID()
      const waiting = app.asyncResult(id).get({ timeout: 60 })
      const started = app.asyncResult(id).updates()
      await app.backend.store(metaOf(id, 'STARTED', null))
      await started.next()
      await master.kill()
      await until(
        async () =>
          String(await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')).includes(
            String(replica.port),
          ),
        { seconds: 60 },
      )
      await app.backend.store(metaOf(id, 'SUCCESS', 'after'))
      expect(await waiting).to.equal('after')
      await bothWays(python, form)
      await app.close()
      sentinel.disconnect()
      await Promise.all([master.stop(), replica.stop()])
    })
  })
}

/** A connection that is lost on purpose is no news. */
const hush = (): void => {}
const logger = { debug: hush, info: hush, warning: hush, error: hush, critical: hush }

function appOf(form: Form): Celery {
  const app = new Celery('forms', {}, { env: {}, logger })
  return app.configFromObject({ accept_content: ['json', 'yaml', 'msgpack'], ...form })
}

function metaOf(taskId: string, status: string, result: unknown) {
  return { taskId, status, result, traceback: null, children: [], dateDone: null }
}

/** Stores on each side what the other awaits. */
async function bothWays(python: PythonClient, form: Form): Promise<void> {
  const app = appOf(form)
  const conf = JSON.stringify(form).replaceAll('null', 'None').replaceAll('true', 'True')
  const theirs = (expression: string): string =>
    `(lambda a: (a.conf.update(${conf}), a.conf.update(accept_content=['json', 'yaml', 'msgpack']), ${expression})[-1])(__import__('celery').Celery('forms', set_as_current=False))`
  const [ours, given] = [randomUUID(), randomUUID()]
  const value = { text: 'ü', list: [1, 2.5, null] }
  try {
    const waiting = app.asyncResult(given).get({ timeout: 20 })
    const stored = "a.backend.store_result('%', {'text': 'ü', 'list': [1, 2.5, None]}, 'SUCCESS')"
    await python.eval(theirs(stored.replace('%', given)))
    expect(await waiting).to.deep.equal(value)
    await app.backend.store(metaOf(ours, 'SUCCESS', value))
    const read = await python.eval(theirs(`a.AsyncResult('${ours}').get(timeout=20)`))
    expect(read.value).to.deep.equal(value)
  } finally {
    await app.close()
  }
}

/** A sentinel that watches a master, and needs nobody's consent. */
async function startSentinel(master: number): Promise<number> {
  const port = await freePort()
  const file = join(await mkdtemp(join(tmpdir(), 'celeriac-sentinel-')), 'sentinel.conf')
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `sentinel monitor main 127.0.0.1 ${master} 1`,
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 5000',
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const sentinel = new Process(REDIS.path, [file, '--sentinel'])
  await sentinel.says(/\+monitor master main/)
  return port
}
