/** The faults that are quick to make, with every test run. */

import { expect } from 'chai'
import { runRow } from './run.ts'
import { ROWS } from './rows/index.ts'

/** `npm run faults` takes the promised times at their word. */
const SLACK = 3

for (const row of ROWS.filter(({ fast }) => fast === true)) {
  describe(`${row.id}: ${row.fault}`, () => {
    for (const broker of row.brokers) {
      it(`${row.promise} (${broker})`, async function () {
        this.timeout((row.seconds + 60) * 1000)
        const { finding } = await runRow(row, broker, 'celeriac', SLACK)
        expect(finding.ok, finding.text).to.equal(true)
      })
    }
  })
}
