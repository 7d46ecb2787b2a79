/** The demo shows what it says. */

import { expect } from 'chai'
import { fileURLToPath } from 'node:url'
import { Process } from './support/process.ts'
import { within } from './support/until.ts'

const SCRIPT = fileURLToPath(new URL('../scripts/demo.mjs', import.meta.url))

describe('npm run demo', function () {
  this.timeout(60_000)

  it('shows calls, a countdown, a chord, a retry, a failure and progress, and ends', async () => {
    const demo = new Process(process.execPath, [SCRIPT])
    const code = await within(50, demo.exited, 'the demo')
    const { output } = demo
    expect(code, output).to.equal(0)
    expect(output).to.match(/await add\(2, 2\) +4\n/)
    expect(output).to.match(/await result\.get\(\{ timeout: 5 \}\) +5\n/)
    expect(output).to.match(/countdown: 0\.5 \}\) +42, after 0\.\d\d s\n/)
    expect(output).to.match(/chord\(\[add\.s\(1, 1\), …\], sum\.s\(\)\) +12\n/)
    expect(output).to.match(/await flaky\.delay\(2\) +done at attempt 3\n/)
    expect(output).to.match(
      / Traceback \(most recent call last\):\n +File "\/.*\/examples\/demo\.ts", line \d+, in divide\n +RangeError: division by zero\n/,
    )
    expect(output).to.include('100 %\n  20 parts\n')
    expect(output).to.not.include('ERROR')
  })
})
