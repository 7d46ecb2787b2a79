/** Task states and their precedence. */

import { expect } from 'chai'
import {
  EXCEPTION_STATES,
  precedence,
  PROPAGATE_STATES,
  READY_STATES,
  UNREADY_STATES,
} from '../../protocol/states.ts'

describe('the states of a task', () => {
  it('rank as in Celery, the most decided first', () => {
    const states = [
      'PENDING',
      'PROGRESS',
      'SUCCESS',
      'RETRY',
      'STARTED',
      'REVOKED',
      'FAILURE',
      'REJECTED',
      'RECEIVED',
    ]
    const ranked = states.toSorted((a, b) => precedence(a) - precedence(b))
    expect(ranked).to.deep.equal([
      'SUCCESS',
      'FAILURE',
      'PROGRESS',
      'REVOKED',
      'STARTED',
      'RECEIVED',
      'REJECTED',
      'RETRY',
      'PENDING',
    ])
  })

  it('are ready or not, and what is propagated is an exception', () => {
    for (const state of READY_STATES) expect(UNREADY_STATES.has(state)).to.equal(false)
    for (const state of PROPAGATE_STATES) {
      expect(READY_STATES.has(state) && EXCEPTION_STATES.has(state)).to.equal(true)
    }
  })
})
