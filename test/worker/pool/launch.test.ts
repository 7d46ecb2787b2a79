/** How children are started so that they can read the app. */

import { expect } from 'chai'
import { fileURLToPath } from 'node:url'
import { planLaunch } from '../../../src/worker/pool/launch.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const argv = (...given: string[]): readonly string[] => planLaunch('./app.ts', here, given).execArgv

describe('worker/pool/launch', () => {
  it("hands on the parent's options of Node, but not its code, its inspector and its tsx", () => {
    expect(argv('--max-old-space-size=64', '--import', 'dotenv/config')).to.deep.equal([
      '--max-old-space-size=64',
      '--import',
      'dotenv/config',
    ])
    expect(argv('--inspect=9229', '--inspect-port', '1', '--enable-source-maps')).to.deep.equal([
      '--enable-source-maps',
    ])
    expect(argv('--input-type=module', '-e', 'start()', '--trace-warnings')).to.deep.equal([
      '--trace-warnings',
    ])
    for (const tsx of [
      ['--import', 'tsx'],
      ['--import=tsx/esm'],
      ['-r', '/x/tsx/dist/preflight.cjs'],
    ]) {
      expect(argv(...tsx, '--no-warnings')).to.deep.equal(['--no-warnings'])
    }
  })

  it('finds tsx for an app in TypeScript, wherever the worker is started', () => {
    const { tsx } = planLaunch('./app.ts', here, [])
    expect(tsx?.loader).to.match(/^file:.*\/tsx\/dist\/loader\.mjs$/)
    expect(tsx?.registers).to.have.length(2)
    for (const url of tsx?.registers ?? []) expect(url).to.match(/^file:.*\/api\/index\.mjs$/)
  })

  it('says that there is no such module', () => {
    expect(() => planLaunch('./nosuch.js', here, [])).to.throw(
      'The module ./nosuch.js was not found.',
    )
  })
})
