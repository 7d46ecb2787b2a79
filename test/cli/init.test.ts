/** The signals of the command: what an app may do to the worker before it starts. */

import { expect } from 'chai'
import { fileURLToPath } from 'node:url'
import { runApart } from './command.ts'

const initApp = fileURLToPath(new URL('init-app.ts', import.meta.url))

describe('cli: celeriac worker that is listened to', function () {
  this.timeout(30_000)

  it('asks for settings by its name first, and tells when it is set up', async () => {
    const started = (name: string) => runApart(['-A', initApp, 'worker', '-n', name, '-Q', 'a,b'])
    const [first, second] = await Promise.all([started('w1@%h'), started('w2@%h')])
    expect([first.code, second.code]).to.deep.equal([0, 0])
    expect(first.stdout).to.match(/^init a,b\n[^]*concurrency: 7 [^]*setup a,b\n/)
    expect(second.stdout).not.to.match(/concurrency: 7 /)
  })
})
