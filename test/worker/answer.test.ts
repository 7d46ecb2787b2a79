/** One delivery on its way: run, dropped, revoked, settled. */

import { expect } from 'chai'
import type { Outcome } from '../../src/task/request.ts'
import { settlementOf } from '../../src/worker/answer.ts'

const runtime = 1
const failure = { exceptionRepr: '', traceback: '', expected: false, runtime }
const OUTCOMES = {
  success: { state: 'SUCCESS', resultRepr: '5', runtime },
  retry: { state: 'RETRY', message: '', exceptionRepr: '', traceback: '', runtime },
  ignored: { state: 'IGNORED', runtime },
  duplicate: { state: 'DUPLICATE', runtime },
  rejected: { state: 'REJECTED', reason: '', requeue: false, runtime },
  requeued: { state: 'REJECTED', reason: '', requeue: true, runtime },
  failed: { state: 'FAILURE', timedOut: false, ...failure },
  'timed out': { state: 'FAILURE', timedOut: true, ...failure },
  broken: { state: 'INTERNAL_ERROR', exceptionRepr: '', traceback: '', runtime },
} as const satisfies Record<string, Outcome>

describe('worker/answer', () => {
  describe('how a delivery is answered after the run', () => {
    const matrix: readonly (readonly [keyof typeof OUTCOMES, flag: string, otherwise: string])[] = [
      ['success', 'ack', 'ack'],
      ['retry', 'ack', 'ack'],
      ['ignored', 'ack', 'ack'],
      ['duplicate', 'ack', 'ack'],
      ['rejected', 'reject', 'reject'],
      ['requeued', 'requeueAnew', 'requeueAnew'],
      ['failed', 'ack', 'reject'],
      ['timed out', 'ack', 'requeueAnew'],
      ['broken', 'ack', 'reject'],
    ]
    for (const [name, flag, otherwise] of matrix) {
      it(`${name}: ${flag}, without acksOnFailureOrTimeout ${otherwise}`, () => {
        const outcome = OUTCOMES[name]
        const late = name === 'timed out'
        expect(settlementOf(outcome, { acksOnFailureOrTimeout: true }, late)).to.equal(flag)
        expect(settlementOf(outcome, { acksOnFailureOrTimeout: false }, late)).to.equal(otherwise)
      })
    }

    it('a soft limit is a failure like any other', () => {
      const policy = { acksOnFailureOrTimeout: false }
      expect(settlementOf(OUTCOMES['timed out'], policy, false)).to.equal('reject')
    })
  })
})
