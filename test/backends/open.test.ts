/** Whether the URL chooses the backend. */

import { expect } from 'chai'
import { retryPolicy } from '../../src/backends/deps.ts'
import { LazyBackend } from '../../src/backends/lazy.ts'
import { MemoryBackend } from '../../src/backends/memory.ts'
import { openBackend } from '../../src/backends/open.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { interval } from '../../src/runtime/retry.ts'
import { backendDeps, meta } from '../support/backend.ts'
import { until } from '../support/until.ts'

describe('the URL of a result backend', () => {
  const named = (url: string | null): string => openBackend(url, backendDeps()).constructor.name

  it('chooses the backend by its scheme', () => {
    expect(named('redis://localhost/1')).to.equal('RedisBackend')
    expect(named('rediss://localhost/1')).to.equal('RedisBackend')
    expect(named('redis+socket:///tmp/x.sock')).to.equal('RedisBackend')
    expect(named('sentinel://h:26379/0;sentinel://g')).to.equal('RedisBackend')
    expect(named('rpc://')).to.equal('RpcBackend')
    expect(named('rpc')).to.equal('RpcBackend')
    expect(named('memory://')).to.equal('MemoryBackend')
    expect(named('cache+memory://')).to.equal('MemoryBackend')
    expect(named('file:///tmp')).to.equal('LazyBackend')
    expect(named('django-db+postgresql://u:p@h/shop')).to.equal('LazyBackend')
    expect(named('db+postgresql://u:p@h/shop')).to.equal('LazyBackend')
    expect(named('db+mysql+pymysql://h/shop')).to.equal('LazyBackend')
    expect(named('database+sqlite:///results.db')).to.equal('LazyBackend')
    expect(named('disabled')).to.equal('DisabledBackend')
    expect(named(null)).to.equal('DisabledBackend')
  })

  it('hides the password in the address', () => {
    const { address } = openBackend('redis://user:secret@localhost/1', backendDeps())
    expect(address).to.contain('localhost').and.not.contain('secret')
  })

  it('finds the database of db:// in database_url', () => {
    const database = { ...backendDeps().database, url: 'postgresql://user:secret@h/shop' }
    for (const url of ['db://', 'db', 'database:///']) {
      const { address } = openBackend(url, backendDeps({ database }))
      expect(address).to.equal('db+postgresql://h:5432/shop')
      expect(() => openBackend(url, backendDeps())).to.throw(ImproperlyConfigured, 'database_url')
    }
    expect(() => openBackend('db+oracle://user:secret@h/x', backendDeps()))
      .to.throw(ImproperlyConfigured, "no database 'oracle'")
      .with.property('message')
      .that.does.not.include('secret')
  })

  it('refuses an unknown scheme and names the known ones, without the URL', () => {
    const open = (): unknown => openBackend('nosql+x://user:secret@h/db', backendDeps())
    expect(open).to.throw(ImproperlyConfigured, /nosql\+x.*redis:\/\/.*rpc:\/\//)
    expect(open).to.not.throw(/secret/)
  })

  it('tells what Celery has and celeriac has not from a slip of the pen', () => {
    const open = (url: string) => (): unknown => openBackend(url, backendDeps())
    for (const scheme of ['mongodb', 'dynamodb', 's3', 'elasticsearch', 'django-cache', 'gs'])
      expect(open(`${scheme}://h/x`)).to.throw(ImproperlyConfigured, /not one of celeriac's.*redis/)
    expect(open('mongodb+srv://h/x')).to.throw(ImproperlyConfigured, /not one of celeriac's/)
    expect(open('rediss+socket://h')).to.throw(ImproperlyConfigured, /did you mean 'redis\+socket'/)
  })
})

describe('a result backend that is loaded when it is used', () => {
  const failing = (): LazyBackend =>
    new LazyBackend({
      address: 'lazy://',
      chords: false,
      load: () => Promise.reject(new ImproperlyConfigured('no driver')),
    })

  it('is what it was loaded as, and is loaded once', async () => {
    let loads = 0
    const load = async (): Promise<MemoryBackend> => {
      loads += 1
      return new MemoryBackend('memory://lazy', backendDeps())
    }
    const backend = new LazyBackend({ address: 'lazy://', chords: true, load })
    const seen: unknown[] = []
    backend.subscribe('a', ({ result }) => seen.push(result))
    backend.subscribe('b', ({ result }) => seen.push(result))()
    expect(loads).to.equal(1)
    await Promise.all([backend.store(meta('a', 'SUCCESS', 1)), backend.store(meta('b', 'SUCCESS'))])
    await until(() => seen.length === 1)
    expect((await backend.fetchMany(['a', 'c'])).map(({ status }) => status)).to.deep.equal([
      'SUCCESS',
      'PENDING',
    ])
    await backend.chords?.open({ header: [['g', null], [[['a', null], null]]], size: 1 })
    const part = { groupId: 'g', groupIndex: 0, taskId: 'a', state: 'SUCCESS', result: 1 }
    expect(await backend.chords?.onChordPartReturn(part)).to.have.length(1)
    await backend.close()
    expect([loads, seen]).to.deep.equal([1, [1]])
  })

  it('has no chords where it counts none', () => {
    expect(failing().chords).to.equal(undefined)
  })

  it('tells who uses it what was wrong with its code', async () => {
    const backend = failing()
    const ended = await new Promise<unknown>((resolve) => backend.subscribe('a', () => {}, resolve))
    expect(ended).to.be.instanceOf(ImproperlyConfigured)
    const refused = await backend.store(meta('a', 'SUCCESS')).catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(ImproperlyConfigured)
    await backend.close()
  })

  it('is never loaded once it was closed', async () => {
    let loads = 0
    const load = async (): Promise<MemoryBackend> => {
      loads += 1
      return new MemoryBackend('memory://lazy', backendDeps())
    }
    const backend = new LazyBackend({ address: 'lazy://', chords: false, load })
    await backend.close()
    const refused = await backend.fetch('a').catch((error: unknown) => error)
    expect(refused).to.include({ code: 'ERR_ABORTED' })
    const reason = await new Promise<unknown>((resolve) =>
      backend.subscribe('a', () => {}, resolve),
    )
    expect(reason).to.include({ code: 'ERR_ABORTED' })
    expect(loads).to.equal(0)
  })
})

describe('the retries of a result backend', () => {
  it('end with the policy, or go on more and more slowly', () => {
    const none = retryPolicy(backendDeps())
    expect(none.maxRetries).to.equal(20)
    const retry = { always: true, maxRetries: 3, baseSleepMs: 10, maxSleepMs: 50 }
    const transportOptions = { retryPolicy: { maxRetries: 2 } }
    const more = retryPolicy(backendDeps({ retry, transportOptions }))
    expect(more.maxRetries).to.equal(5)
    const waits = [0, 1, 2, 3, 4].map((retries) => interval(more, retries, () => 0))
    expect(waits).to.deep.equal([0, 1, 0.02, 0.04, 0.05])
    const endless = retryPolicy(backendDeps({ retry: { ...retry, maxRetries: null } }))
    expect(endless.maxRetries).to.equal(null)
  })
})
