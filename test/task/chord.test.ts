/** Chords from end to end, on the memory broker: what a body gets, and what becomes of it when it cannot run. */

import { expect } from 'chai'
import { signature, type SignatureDict } from '../../protocol/signature.ts'
import type { Celery } from '../../src/celery.ts'
import { chainOf, chordOf, groupOf } from '../../src/canvas/primitives.ts'
import { Ignore, Reject, TaskError, type CeleryError } from '../../src/errors.ts'
import type { AsyncResult } from '../../src/results/async-result.ts'
import { LOG_LEVELS, type Logger } from '../../src/runtime/log.ts'
import { Signature } from '../../src/task/signature.ts'
import { createTestApp, startTestWorker } from '../../src/testing.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { until } from '../support/until.ts'

const ADD = (...args: unknown[]): SignatureDict => signature('add', args)
const ECHO = signature('echo')
const FAIL = signature('fail')

describe('a chord', () => {
  const logged: string[] = []
  let app: Celery
  let worker: Worker
  let heard: unknown[][]

  before(async () => {
    const entries = LOG_LEVELS.map((level) => [level, (line: string) => void logged.push(line)])
    app = createTestApp({}, { logger: Object.fromEntries(entries) as Logger })
    app.task('add', (x: number, y: number) => x + y)
    app.task('echo', (...args: unknown[]) => args)
    app.task('fail', () => {
      throw new RangeError('boom')
    })
    app.task('late', { bind: true }, (self) => {
      if (self.request.retries === 0) throw self.retry({ countdown: 0.01 })
      return 'late'
    })
    app.task('silent', { ignoreResult: true }, () => 'silent')
    app.task('more', { bind: true }, async (self) => {
      await self.addToChord(ADD(20, 22))
      return 'first'
    })
    app.task('alone', { bind: true }, (self) => self.addToChord(ADD(1, 1)))
    app.task('spread', { bind: true }, (self, ...tasks: SignatureDict[]) =>
      self.replace(groupOf(tasks)),
    )
    app.task('ignored', () => {
      throw new Ignore('not today')
    })
    app.task('set', { bind: true }, async (self, state: string, result: unknown) => {
      await self.updateState(state, result)
      throw new Ignore()
    })
    app.task('rejected', { acksLate: true }, () => {
      throw new Reject('not here', { requeue: false })
    })
    app.task('rejected-once', { bind: true, acksLate: true }, (self) => {
      if (self.request.deliveryInfo.redelivered) return 'again'
      throw new Reject('not yet', { requeue: true })
    })
    app.task('resent', { bind: true }, async (self) => {
      const { id, group, groupIndex, embed } = self.request
      const part = { groupId: group ?? '', groupIndex: groupIndex ?? 0 }
      const chord = embed.chord ?? ECHO
      await app.sendTask('add', [1, 2], { taskId: id, ...part, chord })
      throw new Ignore()
    })
    app.task('oops', (...facts: unknown[]) => void heard.push(facts))
    app.task('told', (id: string) => void heard.push([id]))
    worker = await startTestWorker(app)
  })
  after(async () => {
    await worker.stop()
    await app.close()
  })
  beforeEach(() => {
    heard = []
    logged.length = 0
  })

  const send = (dict: SignatureDict): Promise<AsyncResult> => new Signature(app, dict).applyAsync()
  const run = async (dict: SignatureDict): Promise<unknown> =>
    (await send(dict)).get({ timeout: 5, followParents: false })
  const failure = (dict: SignatureDict): Promise<CeleryError> =>
    run(dict).then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error as CeleryError,
    )

  it('gives its body the results of its header, in their order, as one argument', async () => {
    expect(await run(chordOf([signature('late'), ADD(1, 2), ADD(3, 4)], ECHO))).to.deep.equal([
      ['late', 3, 7],
    ])
  })

  it('counts also what stores no result', async () => {
    expect(await run(chordOf([signature('silent'), ADD(1, 2)], ECHO))).to.deep.equal([
      ['silent', 3],
    ])
  })

  it('goes on with a chain, and stands in one', async () => {
    const body = chainOf([ECHO, signature('echo', ['after'])])
    expect(await run(chordOf([ADD(1, 2)], body))).to.deep.equal([[[3]], 'after'])
    const chain = chainOf([
      ADD(1, 1),
      groupOf([ADD(1), ADD(2)]),
      ECHO,
      signature('echo', ['after']),
    ])
    expect(await run(chain)).to.deep.equal([[[3, 4]], 'after'])
  })

  it('keeps the form of chords and groups that stand in its header', async () => {
    const header = [
      chordOf([ADD(1, 1), ADD(2, 2)], ECHO),
      chainOf([ADD(1, 1), groupOf([ADD(1), ADD(2)])]),
      ADD(9, 9),
    ]
    expect(await run(chordOf(header, ECHO))).to.deep.equal([[[[2, 4]], [3, 4], 18]])
  })

  it('knows its body as the child of nobody, and its header as the child of who sent it', async () => {
    app.task('sender', async () => (await send(chordOf([ADD(1, 2)], ECHO))).id)
    const result = await app.sendTask<string>('sender')
    const body = await result.get({ timeout: 5 })
    const [child, ...more] = (await result.meta()).children ?? []
    expect(more).to.deep.equal([])
    expect(child?.[1]).to.have.length(1)
    expect(await app.asyncResult(body).get({ timeout: 5 })).to.deep.equal([[3]])
  })

  describe('that cannot go on', () => {
    it('fails its body with the first failure of its header, once all have ended', async () => {
      const result = await send(chordOf([ADD(1, 1), FAIL, FAIL, signature('late')], ECHO))
      const error = await result
        .get({ timeout: 5, followParents: false })
        .catch((reason: unknown) => reason)
      expect(String(error)).to.match(/^ChordError: Dependency \S+ raised RangeError\('boom'\)$/)
      const { traceback, children } = await result.meta()
      expect(traceback).to.match(/direct cause of the following exception/)
      expect(children).to.deep.equal([])
      expect(logged.join('\n')).to.match(/Chord '\S+' raised: ChordError\(/)
    })

    it('tells the errbacks of its body, in the way that each can be told', async () => {
      const body = {
        ...ECHO,
        options: {
          task_id: 'the-body',
          link_error: [signature('oops', ['mine']), signature('told')],
        },
      }
      await failure(chordOf([FAIL], body))
      await until(() => heard.length === 2)
      const [[request, error, traceback, mine], told] = heard as [unknown[], unknown[]]
      expect(request).to.include({ id: 'the-body', task: 'echo' })
      expect(error).to.have.property('name', 'ChordError')
      expect([traceback, mine]).to.deep.equal([null, 'mine'])
      expect(told).to.deep.equal(['the-body'])
    })

    it('knows what it sent to its errbacks as the children of its body', async () => {
      const options = { task_id: 'guarded', link_error: [signature('told')] }
      const result = await send(chordOf([FAIL, ADD(1, 1)], { ...ECHO, options }))
      await until(() => heard.length === 1)
      await until(async () => (await result.state()) === 'FAILURE')
      const [child, ...more] = (await result.meta()).children ?? []
      expect(more).to.deep.equal([])
      const told = child?.[1]?.[0]?.[0][0] ?? ''
      await until(async () => (await app.asyncResult(told).state()) === 'SUCCESS')
    })

    it('leaves it to the chord that it stands in to tell the errbacks that both have', async () => {
      const guarded = (id: string, ...own: readonly SignatureDict[]): SignatureDict => ({
        ...ECHO,
        options: { task_id: id, link_error: [signature('told'), ...own] },
      })
      const inner = chordOf([FAIL, ADD(1, 1)], guarded('inner', signature('oops', ['own'])))
      await failure(chordOf([ADD(2, 2), inner], guarded('outer')))
      await until(() => heard.some(([id]) => id === 'outer'))
      await run(ADD(1, 1))
      expect(heard.map(([first, , , mine]) => mine ?? first)).to.have.members(['own', 'outer'])
    })

    it('fails its body although its errbacks cannot be sent', async () => {
      const errback = signature('told', [], {}, { options: { exchange: 'gone', routing_key: 'x' } })
      const error = await failure(chordOf([FAIL], { ...ECHO, options: { link_error: [errback] } }))
      expect(String(error)).to.match(/^ChordError: Dependency /)
      expect(logged.join('\n')).to.match(/errbacks of .* could not be sent/)
    })

    it('fails each member of a body that is a group, with the error of the header itself', async () => {
      const link = { link_error: [signature('told')] }
      const body = groupOf([ECHO, { ...ECHO, options: { task_id: 'second', ...link } }])
      const result = await send(chainOf([groupOf([FAIL, ADD(1, 1)]), body]))
      await until(() => heard.length === 1)
      expect(heard).to.deep.equal([['second']])
      const error = await app
        .asyncResult('second')
        .get({ timeout: 5 })
        .catch((e: unknown) => e)
      expect(error).to.be.instanceOf(TaskError)
      expect(error).to.include({ excType: 'RangeError' })
      expect(await app.asyncResult(result.id).state()).to.equal('FAILURE')
    })

    it('fails what would have followed its body', async () => {
      const result = await send(chainOf([groupOf([FAIL, ADD(1, 1)]), ECHO, ECHO]))
      const error = await result
        .get({ timeout: 5, followParents: false })
        .catch((reason: unknown) => reason)
      expect(error).to.have.property('name', 'ChordError')
    })

    it('lets the chord that it stands in fail, too, and not wait for ever', async () => {
      const inner = chordOf([FAIL, ADD(1, 1)], ECHO)
      expect(String(await failure(chordOf([inner, ADD(2, 2)], ECHO)))).to.match(
        /^ChordError: Dependency \S+ raised ChordError\(/,
      )
    })

    it('counts the end of a chain that has failed before it, whatever it ends with', async () => {
      for (const end of [ADD(1), groupOf([ADD(1), ADD(2)]), chordOf([ADD(1), ADD(2)], ECHO)]) {
        const error = await failure(chordOf([chainOf([FAIL, end]), ADD(2, 2)], ECHO))
        expect(String(error)).to.match(/RangeError\('boom'\)/)
      }
    })

    it('counts what was revoked, and fails its body for it', async () => {
      const revoked = { ...ADD(1, 1), options: { task_id: 'revoked' } }
      worker.state.revoked.add('revoked')
      for (const part of [revoked, chainOf([revoked, ADD(2)])]) {
        expect(String(await failure(chordOf([part, ADD(2, 2)], ECHO)))).to.match(
          /^ChordError: Dependency \S+ raised TaskRevokedError\('revoked'\)$/,
        )
      }
    })

    it('fails its body for a part that nobody knows, or that stood before one in a chain', async () => {
      for (const part of [signature('nosuch'), chainOf([signature('nosuch'), ADD(1)])]) {
        expect(String(await failure(chordOf([part, ADD(2, 2)], ECHO)))).to.match(
          /^ChordError: Dependency \S+ raised NotRegistered\('nosuch'\)$/,
        )
      }
    })

    it('fails its body for a part that ends without a result, as nothing more comes of it', async () => {
      for (const [part, raised] of [
        [signature('ignored'), "Ignore('not today')"],
        [chainOf([signature('ignored'), ADD(1)]), "Ignore('not today')"],
        [signature('rejected'), "Reject('not here'"],
      ] as const) {
        const error = await failure(chordOf([part, ADD(2, 2)], ECHO))
        expect(String(error)).to.include(`raised ${raised}`)
      }
    })

    it('takes the end that a part has stored of itself', async () => {
      expect(
        await run(chordOf([signature('set', ['SUCCESS', 42]), ADD(1, 1)], ECHO)),
      ).to.deep.equal([[42, 2]])
      const failed = signature('set', ['FAILURE', { exc_type: 'KeyError', exc_message: ['no'] }])
      expect(String(await failure(chordOf([failed, ADD(1, 1)], ECHO)))).to.match(/KeyError\('no'\)/)
    })

    it('waits for a part that comes again, from the queue or from itself', async () => {
      expect(await run(chordOf([signature('rejected-once'), ADD(1, 1)], ECHO))).to.deep.equal([
        ['again', 2],
      ])
      expect(await run(chordOf([signature('resent'), ADD(1, 1)], ECHO))).to.deep.equal([[3, 2]])
    })

    it('fails its body when that cannot be sent', async () => {
      const body = signature(
        'echo',
        [],
        {},
        { options: { task_id: 'b', exchange: 'gone', routing_key: 'x' } },
      )
      const error = await failure(chordOf([ADD(1, 1)], body))
      expect(String(error)).to.match(/^ChordError: Callback error: /)
    })
  })

  describe('self.addToChord()', () => {
    it('has the body wait for one part more', async () => {
      const [values] = (await run(chordOf([signature('more'), ADD(1, 1)], ECHO))) as [unknown[]]
      expect(values).to.have.members(['first', 42, 2])
    })

    it('is refused outside of a chord', async () => {
      expect(String(await failure(signature('alone')))).to.match(/not member of any chord/)
    })
  })

  describe('in the place of a task', () => {
    it('gives the results of the group as the result of the task', async () => {
      expect(await run(signature('spread', [ADD(1, 1), ADD(2, 2)]))).to.deep.equal([2, 4])
      expect(await run(signature('spread', []))).to.deep.equal([])
    })

    it('goes on with the chain of the task, and is a part of its chord', async () => {
      const spread = signature('spread', [ADD(1, 1), ADD(2, 2)])
      expect(await run(chainOf([spread, ECHO]))).to.deep.equal([[2, 4]])
      expect(await run(chordOf([spread, ADD(3, 3)], ECHO))).to.deep.equal([[[2, 4], 6]])
    })

    it('has the callbacks and errbacks of the task', async () => {
      const options = { link: [signature('oops')], link_error: [signature('told')] }
      await run({ ...signature('spread', [ADD(1, 1)]), options })
      await until(() => heard.length === 1)
      expect(heard).to.deep.equal([[[2]]])
      const result = await send({ ...signature('spread', [FAIL]), options })
      await until(() => heard.length === 2)
      expect(heard[1]).to.deep.equal([result.id])
    })
  })
})
