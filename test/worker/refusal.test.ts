/** What becomes of those that wait for a message that does not run: it is no task of ours, or too late. */

import { expect } from 'chai'
import { signature } from '../../protocol/signature.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import { until } from '../support/until.ts'
import { Harness } from './harness.ts'

/** The memory of one process remembers all tests: each has a chord of its own. */
let chords = 0

describe('worker/refusal', () => {
  let harness: Harness
  let group: string
  let waiting: Record<string, unknown>

  beforeEach(async () => {
    group = `group-${(chords += 1)}`
    const body = signature('t.body', [], {}, { options: { task_id: name('body') } })
    waiting = { chord: body }
    harness = new Harness()
    harness.app.task('t.add', (x: number, y: number) => x + y)
    harness.app.task('t.body', (parts: unknown) => parts)
    await harness.started()
    await harness.app.backend.chords?.open({ header: [[group, null], []], size: 2 })
  })
  afterEach(() => harness.close())

  const name = (task: string): string => `${task}-of-${group}`

  const part = (id: string, headers: object, ...body: unknown[]): Promise<void> =>
    harness.publish({
      headers: { task: 't.add', id: name(id), group, ...headers },
      body: Buffer.from(JSON.stringify(body)),
    })

  const ended = (id: string): Promise<ResultMeta> =>
    until(async () => {
      const meta = await harness.app.backend.fetch(name(id))
      return meta.status === 'FAILURE' && meta
    })

  const CASES: Readonly<Record<string, readonly [headers: object, args: unknown, embed: object]>> =
    {
      'an unknown task': [{ task: 't.nosuch' }, [1], {}],
      'a header that is malformed': [{ retries: 'many' }, [1], {}],
      'arguments that are malformed': [{}, 7, {}],
      'errbacks that are malformed': [{}, [1], { errbacks: [7] }],
      'a place in the header that is malformed': [{ group_index: 'first' }, [1], {}],
    }
  for (const [title, [headers, args, embed]] of Object.entries(CASES)) {
    it(`fails the chord whose part is ${title}`, async () => {
      await part('bad', headers, args, {}, { ...waiting, ...embed })
      await ended('bad')
      await part('good', {}, [1, 2], {}, waiting)
      expect((await ended('body')).result).to.include({ exc_type: 'ChordError' })
    })
  }

  it('fails the chord whose part has expired', async () => {
    await part('late', { expires: '2020-01-01T00:00:00+00:00' }, [1, 2], {}, waiting)
    await part('good', {}, [1, 2], {}, waiting)
    const { result } = await ended('body')
    expect(String(Object(result).exc_message)).to.include("TaskRevokedError('expired')")
  })

  it('fails the rest of the chain, and the chord that its end is a part of', async () => {
    const options = { task_id: name('last'), group_id: group, ...waiting }
    const chain = [signature('t.add', [1], {}, { options })]
    await part('bad', { task: 't.nosuch', group: null }, [1], {}, { chain })
    expect((await ended('last')).result).to.include({ exc_type: 'NotRegistered' })
    await part('good', {}, [1, 2], {}, waiting)
    await ended('body')
  })

  it('is as good when what waits is malformed, too', async () => {
    for (const embed of [7, { chord: 7 }, { chord: {}, chain: [7] }, { chain: 'x' }]) {
      await part('bad', { task: 't.nosuch' }, [1], {}, embed)
    }
    await part('bad', { task: 't.nosuch', group: 7 }, [1], {}, waiting)
    await ended('bad')
    await until(async () => (await harness.waiting()) === 0)
    const lines = harness.logs('error')
    expect(lines.every((line) => line.startsWith('Received '))).to.equal(true)
  })
})
