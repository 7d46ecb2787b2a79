/** Canvases that are run here and now: by `apply()`, and while `taskAlwaysEager` is set. */

import { expect } from 'chai'
import { Celery } from '../../src/app/celery.ts'
import { EagerResult } from '../../src/results/eager-result.ts'
import { GroupResult } from '../../src/results/group-result.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { chain, chord, group } from '../../src/task/compose.ts'
import type { Task } from '../../src/task/task.ts'

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

for (const eager of [false, true]) {
  describe(`a canvas that is run ${eager ? 'with taskAlwaysEager' : 'by apply()'}`, () => {
    let app: Celery
    let add: Task<[x: number, y: number], number>
    let double: Task<[n: number], number>
    let total: Task<[numbers: readonly number[]], number>
    let bad: Task<[], never>
    let seen: unknown[]
    let note: Task<[value: unknown], void>

    /** Either way. */
    const run = (sig: {
      apply(): Promise<unknown>
      applyAsync(): Promise<unknown>
    }): Promise<unknown> => (eager ? sig.applyAsync() : sig.apply())
    const valueOf = async (sig: Parameters<typeof run>[0]): Promise<unknown> =>
      ((await run(sig)) as EagerResult).get()

    beforeEach(() => {
      const settings = {
        taskAlwaysEager: true,
        brokerUrl: 'memory://eager',
        resultBackend: 'memory://',
      }
      app = new Celery('test', settings, { logger: SILENT, env: {} })
      seen = []
      add = app.task('add', (x: number, y: number) => x + y)
      double = app.task('double', (n: number) => n * 2)
      total = app.task('total', (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0))
      note = app.task('note', (value: unknown) => void seen.push(value))
      bad = app.task('bad', () => {
        throw new RangeError('no')
      })
    })
    afterEach(() => app.close())

    it('gives a group of results that are there', async () => {
      const result = (await run(group([add.s(1, 1), double.s(4)]))) as GroupResult
      expect(result).to.be.instanceOf(GroupResult)
      expect([...result].every((member) => member instanceof EagerResult)).to.equal(true)
      expect(await result.get()).to.deep.equal([2, 8])
      expect(await result.completedCount()).to.equal(2)
    })

    it('keeps the errors of members in the group', async () => {
      const result = (await run(group([add.s(1, 1), bad.s()]))) as GroupResult
      expect(await result.failed()).to.equal(true)
      expect(await rejection(result.get())).to.be.instanceOf(RangeError)
    })

    it('takes groups in groups for one, and gives an empty one its empty result', async () => {
      expect(await valueOf(group([group([add.s(1, 1), double.s(4)]), double.s(1)]))).to.deep.equal([
        2, 8, 2,
      ])
      expect(await valueOf(group([]))).to.deep.equal([])
    })

    it('gives the last of a chain, with the others as its parents', async () => {
      const result = (await run(chain(add.s(1, 2), double.s(), double.s()))) as EagerResult<number>
      expect(await result.get()).to.equal(12)
      expect(await result.parent?.get()).to.equal(6)
      expect(await result.parent?.parent?.get()).to.equal(3)
      expect(result.parent?.parent?.parent).to.equal(undefined)
    })

    it('runs the body of a chord with the results of its header', async () => {
      const result = (await run(
        chord([add.s(1, 1), double.s(4)], total.s()),
      )) as EagerResult<number>
      expect(await result.get()).to.equal(10)
      expect(await result.parent?.get()).to.deep.equal([2, 8])
    })

    it('runs what stands in one another', async () => {
      const inner = chain(double.s(), group([double.s(), add.s(1)]), total.s())
      const whole = chain(add.s(1, 1), group([inner, double.s()]), total.s(), double.s())
      expect(await valueOf(whole)).to.equal(34)
      expect(await valueOf(chain(add.s(1, 1), group([double.s(), add.s(3)])))).to.deep.equal([4, 5])
      expect(
        await valueOf(chord([chord([double.s(1), double.s(2)], total.s())], total.s())),
      ).to.equal(6)
    })

    it('calls links with the result, of a chain that of its last, of a chord that of its body', async () => {
      const sig = chain(add.s(1, 1), double.s())
      sig.link(note.s())
      await run(sig)
      const sum = chord([add.s(1, 1)], total.s())
      sum.link(note.s())
      await run(sum)
      expect(seen).to.deep.equal([4, 2])
    })

    it('calls the errbacks of what fails in a chain, and rejects', async () => {
      const failed: unknown[] = []
      const errback = app.task(
        'errback',
        (request: { id: string }, error: Error, _traceback: string) => {
          failed.push(error.message)
        },
      )
      const sig = chain(bad.si(), add.si(1, 1))
      sig.linkError(errback.s())
      expect(await rejection(run(sig))).to.be.instanceOf(RangeError)
      expect(failed).to.deep.equal(['no'])
    })

    it('rejects when a part of a header fails', async () => {
      expect(await rejection(run(chord([add.s(1, 1), bad.s()], total.s())))).to.be.instanceOf(
        RangeError,
      )
    })

    it('runs what a task replaces itself by, within its chain', async () => {
      const swap = app.task('swap', { bind: true }, (self, n: number) =>
        self.replace(group([add.s(n, 1), add.s(n, 2)])),
      )
      expect(await valueOf(chain(add.s(1, 1), swap.s(), note.s() as never))).to.equal(undefined)
      expect(seen).to.deep.equal([[3, 4]])
    })

    it('has the stamps in its requests, as lists', async () => {
      const stamped = app.task('stamped', { bind: true }, (self) => self.request.stamps)
      const sig = stamped.s().stamp({ tenant: 'a' })
      expect(await valueOf(sig)).to.deep.equal({ tenant: ['a'] })
    })
  })
}
