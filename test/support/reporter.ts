/** Mocha's spec reporter, which also leaves its counts in a file for `npm test` to add up. */

import { writeFileSync } from 'node:fs'
import Mocha from 'mocha'

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options)
    const file = process.env['CELERIAC_TEST_REPORT']
    if (file === undefined) return
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      const { passes: passed, failures: failed, pending: skipped } = this.stats
      writeFileSync(file, JSON.stringify({ passed, failed, skipped }))
    })
  }
}
