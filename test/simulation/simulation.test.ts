/**
 * Real workers in a simulated world: tens of thousands of short histories, each drawn from a seed, in
 * which everything is late, lost, sent twice or cut off that can be. More of them by
 * `CELERIAC_SIM_HISTORIES=1000000`, one of them with all that happened by `CELERIAC_SIM_SEED=42`.
 *
 * They run in a process of their own, whose clocks and timers are theirs alone: scripts/simulate.ts.
 */

import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../scripts/simulate.ts', import.meta.url))
const HISTORIES = Number(process.env['CELERIAC_SIM_HISTORIES'] ?? 10_000)
const SEED = process.env['CELERIAC_SIM_SEED']
/** A history takes a few milliseconds; a machine may be busy. */
const MAX_HISTORY_MS = 60

/** What the script said, when all went well. @throws with what it said, when not */
function simulate(...args: (string | number)[]): Promise<string> {
  const argv = ['--import', 'tsx', SCRIPT, ...args.map(String)]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, argv, { maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${stdout.slice(-100_000)}\n${stderr}`))
    })
  })
}

describe('the simulation', () => {
  if (SEED !== undefined) {
    it(`lives through history ${SEED}`, async () => {
      console.log(await simulate('replay', SEED))
    }).timeout(60_000)
    return
  }

  it(`finds nothing wrong in ${HISTORIES} histories`, async () => {
    const said = await simulate('histories', 1, HISTORIES)
    expect(said).to.include(`${HISTORIES} histories`)
  }).timeout(60_000 + HISTORIES * MAX_HISTORY_MS)

  it('finds each of the bugs that are put in', async () => {
    const said = await simulate('mutants')
    expect(said.match(/^found: /gm)).to.have.length.of.at.least(20)
  }).timeout(300_000)

  it('is the same for the same seed', async () => {
    expect(await simulate('again', 100)).to.include('100 histories')
  }).timeout(120_000)

  it('does not find again what was found once', async () => {
    await simulate('regressions')
  }).timeout(120_000)
})
