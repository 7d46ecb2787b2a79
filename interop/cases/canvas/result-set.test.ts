/** Results that do not belong together but here. */

import { expect } from 'chai'
import { ResultSet } from '../../../src/index.ts'
import { onEveryCanvasStage, TIMEOUT } from './stage.ts'

onEveryCanvasStage('a set of results', [
  {
    title: 'gives what its tasks give, in its order (test_result_set)',
    run: async ({ tasks: { add } }) => {
      const set = new ResultSet([await add.delay(1, 1), await add.delay(2, 2)])
      expect(await set.get({ timeout: TIMEOUT })).to.deep.equal([2, 4])
    },
  },
  {
    title: 'knows which of its tasks failed, and which did not (test_result_set_error)',
    run: async ({ tasks: { add, raise_error } }) => {
      const set = new ResultSet([await raise_error.delay(), await add.delay(1, 1)])
      await set.get({ timeout: TIMEOUT, propagate: false })
      expect(await set.results[0]?.failed()).to.equal(true)
      expect(await set.results[1]?.successful()).to.equal(true)
    },
  },
])
