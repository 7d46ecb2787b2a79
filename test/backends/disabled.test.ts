/** Whether a disabled backend says so, in Celery's words. */

import { expect } from 'chai'
import { DisabledBackend } from '../../src/backends/disabled.ts'
import { NotSupported, ResultDisabledError } from '../../src/errors.ts'
import { AsyncResult } from '../../src/results/async-result.ts'

describe('the disabled backend', () => {
  const backend = new DisabledBackend()
  const result = new AsyncResult('id', { backend })

  it('takes what is stored and keeps nothing', async () => {
    await backend.store()
    await backend.onTaskCall()
  })

  it('refuses every question', async () => {
    const questions = [result.get(), result.state(), result.forget(), result.updates().next()]
    for (const answer of await Promise.allSettled(questions)) {
      const reason: unknown = answer.status === 'rejected' ? answer.reason : undefined
      expect(reason).to.be.instanceOf(ResultDisabledError)
      expect(String(reason)).to.contain('No result backend is configured.\nPlease see')
    }
  })

  it('lets an ignored result pass', async () => {
    const ignored = new AsyncResult('id', { backend }, { ignored: true })
    expect(await ignored.get()).to.equal(undefined)
  })

  it('counts no chords, in the words of Celery', () => {
    expect(() => backend.groups).to.throw(
      NotSupported,
      /^Starting chords requires a result backend/,
    )
  })
})
