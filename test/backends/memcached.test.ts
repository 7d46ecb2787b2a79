/** Whether results in Memcached are what every backend must give, on a real server. */

import { randomUUID } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { ResultTuple } from '../../protocol/result.ts'
import { MemcachedBackend } from '../../src/backends/memcached.ts'
import { openBackend } from '../../src/backends/open.ts'
import {
  BackendError,
  CeleryError,
  ImproperlyConfigured,
  LimitExceeded,
  NotSupported,
} from '../../src/errors.ts'
import type { ChordStore } from '../../src/results/backend.ts'
import { backendContract } from '../contracts/backend.ts'
import { groupStoreContract } from '../contracts/groups.ts'
import { backendDeps, exception, meta } from '../support/backend.ts'
import { memcachedUrl, startMemcached, type Server } from '../support/services.ts'
import { until } from '../support/until.ts'

type More = Parameters<typeof backendDeps>[0]

describe('results in Memcached', () => {
  let url: string
  const opened: MemcachedBackend[] = []
  const open = (more: More = {}, at = url): MemcachedBackend => {
    const backend = new MemcachedBackend(at, backendDeps(more))
    opened.push(backend)
    return backend
  }
  const refusal = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    )

  before(async () => (url = await memcachedUrl()))
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((backend) => backend.close()))
  })

  backendContract(async () => {
    const pair = {
      client: new MemcachedBackend(url, backendDeps()),
      worker: new MemcachedBackend(url, backendDeps()),
    }
    const oddIds = 'its text protocol ends a key at a space'
    return { ...pair, options: {}, oddIds, close: async () => {} }
  })
  groupStoreContract(async () => open())

  it('are gone after resultExpires seconds, also when those are more than a month', async () => {
    const short = open({ resultExpires: 1 })
    const long = open({ resultExpires: 40 * 24 * 3600 })
    const eternal = open({ resultExpires: null })
    const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()]
    await short.store(meta(a, 'SUCCESS', 1))
    await long.store(meta(b, 'SUCCESS', 1))
    await eternal.store(meta(c, 'SUCCESS', 1))
    await until(async () => (await short.fetch(a)).status === 'PENDING')
    const metas = await short.fetchMany([b, c])
    expect(metas.map(({ status }) => status)).to.deep.equal(['SUCCESS', 'SUCCESS'])
  })

  it('refuse at once what Memcached cannot keep, and others go on', async () => {
    const backend = open()
    const long = 'x'.repeat(300)
    expect(await refusal(backend.store(meta(long, 'SUCCESS')))).to.be.instanceOf(BackendError)
    expect(await refusal(backend.fetch('with space'))).to.include({ retryable: false })
    const huge = backend.store(meta('huge', 'SUCCESS', 'x'.repeat(2_000_000)))
    expect(await refusal(huge)).to.be.instanceOf(LimitExceeded)
    expect(await refusal(backend.groups.restore('line\r\nflush_all'))).to.be.instanceOf(
      BackendError,
    )
    const seen: string[] = []
    const ended = ({ code }: { readonly code: string }): void => void seen.push(code)
    const id = randomUUID()
    backend.subscribe('with space', () => {}, ended)
    backend.subscribe(id, ({ status }) => seen.push(status))
    await backend.store(meta(id, 'SUCCESS', 'x'.repeat(900_000)))
    await until(() => seen.length === 2)
    expect(seen).to.have.members(['ERR_BACKEND', 'SUCCESS'])
  })

  it('stay a SUCCESS when others store at the same moment', async () => {
    const workers = [open(), open(), open(), open()]
    const ids = Array.from({ length: 50 }, () => randomUUID())
    await Promise.all(
      workers.flatMap((worker, index) =>
        ids.map((id) => worker.store(meta(id, index === 1 ? 'SUCCESS' : 'STARTED', index))),
      ),
    )
    const metas = await open().fetchMany(ids)
    expect(metas.filter(({ status }) => status !== 'SUCCESS')).to.deep.equal([])
  })

  it('are read again when the server was lost', async () => {
    const server = await startMemcached()
    const backend = open({}, server.url)
    await backend.start()
    await server.kill()
    const id = randomUUID()
    const stored = backend.store(meta(id, 'SUCCESS', 1))
    await server.restart()
    await stored
    expect(await backend.fetch(id)).to.include({ status: 'SUCCESS' })
    await server.stop()
  })

  it('keep nobody who closes the backend while its server is lost', async () => {
    const server = await startMemcached()
    const backend = open({}, server.url)
    await backend.start()
    await server.stop()
    const stored = refusal(backend.store(meta(randomUUID(), 'SUCCESS', 1)))
    const started = performance.now()
    await backend.close()
    // the policy of retries would take 20 seconds
    expect(performance.now() - started).to.be.below(15_000)
    expect(await stored).to.be.instanceOf(CeleryError)
    expect(await refusal(backend.fetch('x'))).to.include({ retryable: false })
  })

  it('give up in time when the server speaks another language, or none', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.write('220 mail ready\r\n')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const transportOptions = { retryPolicy: { maxRetries: 0 } }
    const backend = open({ transportOptions }, `cache+memcached://127.0.0.1:${port}/`)
    expect(await refusal(backend.fetch('x'))).to.be.instanceOf(BackendError)
    server.close()
  })

  it('are named by the URL, or by the setting cacheBackend', async () => {
    const cache = { backend: url.replace('cache+', ''), options: {} }
    const backend = openBackend('cache', backendDeps({ cache }))
    const id = randomUUID()
    await backend.store(meta(id, 'SUCCESS', 7))
    expect(await open().fetch(id)).to.include({ result: 7 })
    await backend.close()
    const nowhere = (): unknown => openBackend('cache', backendDeps())
    expect(nowhere).to.throw(ImproperlyConfigured, /cacheBackend/)
    expect(() => open({}, 'cache+memcached://user:pw@h/')).to.throw(
      ImproperlyConfigured,
      /password/,
    )
  })

  it('lie on no other server than where Python looks', async () => {
    const behaviors = { ketama: true }
    const several = { cache: { backend: undefined, options: { behaviors } } }
    expect(() => open(several, 'cache+memcached://a;b/')).to.throw(ImproperlyConfigured, /ketama/)
    open(several, 'cache+memcached://a/')
    const sasl = { cache: { backend: undefined, options: { username: 'u', password: 'secret' } } }
    expect(() => open(sasl)).to.throw(ImproperlyConfigured, /SASL/)
  })

  describe('of chords', () => {
    let id: string
    let one: ChordStore
    let other: ChordStore
    let backend: MemcachedBackend

    beforeEach(() => {
      id = randomUUID()
      backend = open()
      one = backend.chords
      other = open().chords
    })

    const member = (name: string): ResultTuple => [[`${id}-${name}`, null], null]
    const header = (...members: readonly ResultTuple[]): ResultTuple => [[id, null], members]
    const ended = async (
      name: string,
      by: ChordStore,
      state = 'SUCCESS',
      result: unknown = name,
    ) => {
      const taskId = `${id}-${name}`
      await backend.store(meta(taskId, state, result))
      const parts = await by.onChordPartReturn({
        groupId: id,
        groupIndex: 0,
        taskId,
        state,
        result,
      })
      return parts?.map((part) => part.result)
    }

    it('are complete with the last part, in the order of the header', async () => {
      await one.open({ header: header(member('a'), member('b')), size: 2 })
      const failed = exception('ValueError', ['boom'])
      expect(await ended('b', one, 'FAILURE', failed)).to.equal(undefined)
      expect(await ended('a', other)).to.deep.equal(['a', failed])
    })

    it('count a task once, and give the end again to the task that had it', async () => {
      await one.open({ header: header(member('a'), member('b')), size: 2 })
      expect(await ended('a', one)).to.equal(undefined)
      expect(await ended('a', other)).to.equal(undefined)
      expect(await ended('b', other)).to.deep.equal(['a', 'b'])
      expect(await ended('a', one)).to.equal(undefined)
      expect(await ended('b', one)).to.deep.equal(['a', 'b'])
      await one.endChord(id)
      expect(await ended('b', one)).to.equal(undefined)
      expect(await backend.groups.restore(id)).to.equal(undefined)
    })

    it('count the ends of chains and groups that the header holds', async () => {
      const inner: ResultTuple = [
        [`${id}-g`, null],
        [member('b'), member('c')],
      ]
      await one.open({ header: header(member('a'), inner), size: 3 })
      await ended('c', one)
      expect(await ended('a', one)).to.equal(undefined)
      expect(await ended('b', one)).to.deep.equal(['a', 'b', 'c'])
    })

    it('are complete once when all parts end at once', async () => {
      const names = Array.from({ length: 20 }, (_, index) => `m${index}`)
      await one.open({ header: header(...names.map(member)), size: 20 })
      const answers = await Promise.all(
        names.map((name, index) => ended(name, index % 2 === 0 ? one : other)),
      )
      expect(answers.filter((answer) => answer !== undefined)).to.deep.equal([names])
    })

    it('cannot be added to, as in Celery', async () => {
      expect(await refusal(one.addToChord(id, 1))).to.be.instanceOf(NotSupported)
    })
  })

  describe('on several servers', () => {
    let servers: readonly Server[]
    before(async () => {
      servers = await Promise.all([startMemcached(), startMemcached()])
    })
    after(() => Promise.all(servers.map((server) => server.stop())))

    it('are spread over them, and found again', async () => {
      const places = servers.map(({ port }) => `127.0.0.1:${port}`)
      const backend = open({}, `cache+memcached://${places.join(';')}/`)
      const ids = Array.from({ length: 40 }, () => randomUUID())
      await Promise.all(ids.map((each, index) => backend.store(meta(each, 'SUCCESS', index))))
      const metas = await backend.fetchMany(ids)
      expect(metas.map(({ result }) => result)).to.deep.equal(ids.map((_, index) => index))
      const [first] = servers
      const alone = open({}, first?.url)
      const there = (await alone.fetchMany(ids)).filter(({ status }) => status === 'SUCCESS')
      expect(there.length).to.be.within(1, 39)
    })
  })
})
