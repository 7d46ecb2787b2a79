/** Canvases from a client to a worker of ours, and back as results. */

import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { SignatureDict } from '../../protocol/signature.ts'
import type { SettingsInput } from '../../src/conf/settings.ts'
import { PartiallySentError } from '../../src/errors.ts'
import { AsyncResult } from '../../src/results/async-result.ts'
import { GroupResult } from '../../src/results/group-result.ts'
import { chain, chord, group } from '../../src/task/compose.ts'
import type { TaskContext } from '../../src/task/context.ts'
import type { Task } from '../../src/task/task.ts'
import { amqpUrl, redisUrl } from '../support/services.ts'
import { until } from '../support/until.ts'
import { Harness } from './harness.ts'

const FILES = join(tmpdir(), `celeriac-canvas-${process.pid}`)

describe('a canvas, sent to a worker', () => {
  let harness: Harness
  let add: Task<[x: number, y: number], number>
  let double: Task<[n: number], number>
  let total: Task<[numbers: readonly number[]], number>
  const wait = { timeout: 20 }

  beforeEach(async () => {
    harness = new Harness()
    add = harness.app.task('add', (x: number, y: number) => x + y)
    double = harness.app.task('double', (n: number) => n * 2)
    total = harness.app.task('total', (numbers: readonly number[]) =>
      numbers.reduce((sum, one) => sum + one, 0),
    )
    await harness.started()
  })
  afterEach(() => harness.close())

  it('gives the results of a group in the order of its members', async () => {
    const result = await group([add.s(1, 1), add.s(2, 2), add.s(3, 3)]).applyAsync()
    expect(result).to.be.instanceOf(GroupResult)
    expect(await result.get(wait)).to.deep.equal([2, 4, 6])
    expect(result.results[1].id).to.equal((await result.children())[1]?.id)
  })

  it('gives arguments to each member', async () => {
    const result = await group(add.s(10), double.s()).delay(5)
    expect(await result.get(wait)).to.deep.equal([15, 10])
  })

  it('gives an empty group its empty result, and sends nothing', async () => {
    const result = await group([]).applyAsync()
    expect(result).to.be.instanceOf(GroupResult)
    expect(result.length).to.equal(0)
    expect(await result.get(wait)).to.deep.equal([])
    expect(
      await group(group([]))
        .delay()
        .then((again) => again.get(wait)),
    ).to.deep.equal([])
  })

  it('gives a GroupResult, with its parent, for a chain that ends in a group', async () => {
    const result = await chain(add.s(1, 1), group([double.s(), add.s(3)])).applyAsync()
    expect(result).to.be.instanceOf(GroupResult)
    expect(await result.get(wait)).to.deep.equal([4, 5])
    expect(result.parent).to.be.instanceOf(AsyncResult)
    expect(await result.parent?.get(wait)).to.equal(2)
  })

  it('gives the same for a group of only such a chain', async () => {
    const result = await group([chain(add.s(1, 1), group([double.s(), add.s(3)]))]).applyAsync()
    expect(await result.get(wait)).to.deep.equal([4, 5])
  })

  it('runs a body with the results of its header, which is its parent', async () => {
    const result = await chord([add.s(1, 1), add.s(2, 2)], total.s()).applyAsync()
    expect(await result.get(wait)).to.equal(6)
    expect(result.parent).to.be.instanceOf(GroupResult)
    expect(await result.parent?.get(wait)).to.deep.equal([2, 4])
    expect(await (await chord([add.s(1, 1)])(total.s())).get(wait)).to.equal(2)
  })

  it('takes a header from a generator', async () => {
    function* header(): Generator<ReturnType<typeof add.si>> {
      for (let n = 1; n <= 4; n++) yield add.si(n, n)
    }
    expect(await (await chord(header(), total.s()).applyAsync()).get(wait)).to.equal(20)
    expect(await (await group(header()).applyAsync()).get(wait)).to.deep.equal([2, 4, 6, 8])
  })

  it('makes a chord of a group that something follows, as often as need be', async () => {
    const sums = chain(
      group([add.s(1, 1), add.s(2, 2)]),
      total.s(),
      group([double.s(), add.s(1)]),
      total.s(),
      double.s(),
    )
    expect(await (await sums.applyAsync()).get(wait)).to.equal(38)
  })

  it('sends chunks as a group of lists', async () => {
    const chunks = add.chunks(
      [1, 2, 3].map((n): [number, number] => [n, n]),
      2,
    )
    expect(await (await chunks.applyAsync()).get(wait)).to.deep.equal([[2, 4], [6]])
    expect(await (await chunks.group().applyAsync()).get(wait)).to.deep.equal([[2, 4], [6]])
  })

  it('says which members were sent when one cannot be written, and those run', async () => {
    const echo = harness.app.task('echo', (value: unknown) => value)
    const unwritable = (): void => {}
    const error = await group([echo.s(1), echo.s(unwritable), echo.s(3)])
      .applyAsync()
      .catch((raised: unknown) => raised)
    expect(error).to.be.instanceOf(PartiallySentError)
    const { sent, unsent, cause } = error as PartiallySentError
    expect([sent.length, unsent.length]).to.deep.equal([2, 1])
    expect(cause).to.have.property('code', 'ERR_ENCODE')
    const values = sent.map((id) => harness.app.asyncResult(id).get(wait))
    expect(await Promise.all(values)).to.deep.equal([1, 3])
  })

  it('waits for a part that a task adds to its chord and sends itself', async () => {
    const { app } = harness
    const adds = app.task('adds', { bind: true }, async (self, n: number) => {
      const part = await self.addToChord(add.s(n, 1), { lazy: true })
      await app.signature(part).delay()
      return n
    })
    const result = await chord([adds.s(10)], total.s()).applyAsync()
    expect(await result.get(wait)).to.equal(21)
  })

  it('bears its stamps in every task, through a retry and in what is linked', async () => {
    const { app } = harness
    const seen: string[] = []
    const note = (self: TaskContext): void => {
      const { tenant } = self.request.stamps
      seen.push(`${self.name} ${self.request.retries} ${String(tenant)}`)
    }
    const linked = app.task('linked', { bind: true }, (self) => note(self))
    const tries = app.task('tries', { bind: true }, (self) => {
      note(self)
      if (self.request.retries === 0) throw self.retry({ countdown: 0 })
    })
    const sig = chain(tries.si(), linked.si())
    sig.link(linked.si())
    const result = await sig.stamp({ tenant: 'a' }).applyAsync()
    await result.get(wait)
    await until(() => seen.length === 4)
    expect(seen.toSorted()).to.deep.equal(['linked 0 a', 'linked 0 a', 'tries 0 a', 'tries 1 a'])
  })

  it('may be read from the dict that Celery writes', async () => {
    const dict: unknown = JSON.parse(JSON.stringify(chord([add.s(1, 1)], total.s())))
    const result = await harness.app.signature(dict as SignatureDict).applyAsync()
    expect(await result.get(wait)).to.equal(2)
  })
})

/** Where the messages go, and who counts: the store itself, or in files `celery.chord_unlock`. */
const PLACES: Readonly<Record<string, () => Promise<SettingsInput>>> = {
  'in memory': async () => ({}),
  'on Redis': async () => ({ brokerUrl: await redisUrl(), resultBackend: await redisUrl() }),
  'on RabbitMQ': async () => ({ brokerUrl: await amqpUrl(), resultBackend: await redisUrl() }),
  'kept in files': async () => {
    await mkdir(FILES)
    return { resultBackend: `file://${FILES}` }
  },
}

describe('a chord of which a part could not be sent', () => {
  let harness: Harness
  afterEach(async () => {
    await harness.close()
    await rm(FILES, { recursive: true, force: true })
  })

  for (const [where, settings] of Object.entries(PLACES)) {
    it(`has its body fail, ${where}`, async () => {
      harness = new Harness(await settings())
      const ran: number[] = []
      const echo = harness.app.task('echo', (value: unknown) => ran.push(Number(value)))
      await harness.started()
      const body = harness.app.signature('total')
      const result = body.freeze()
      const unwritable = (): void => {}
      const header = [echo.s(1), echo.s(unwritable), echo.s(3)]
      const error = await chord(header, body)
        .applyAsync()
        .catch((raised: unknown) => raised)
      expect(error).to.be.instanceOf(PartiallySentError)
      const { unsent } = error as PartiallySentError
      const failed: unknown = await result.get({ timeout: 20 }).catch((raised: unknown) => raised)
      expect(String(failed)).to.include(`Dependency ${unsent[0]} raised`)
      expect(ran.toSorted((a, b) => a - b)).to.deep.equal([1, 3])
    })
  }
})
