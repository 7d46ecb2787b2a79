/** `npm test`: installs what is missing, runs every suite on real servers, and counts what came of it. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installPackages, installServices, root } from './setup.mjs'

/** Ten minutes a suite; a suite that hangs is a failure. */
const SUITE_LIMIT_MS = 600_000

const suites = process.argv.slice(2)
if (suites.length === 0) suites.push('test/**/*.test.ts', 'interop/**/*.test.ts')

installPackages()
installServices()

const dir = mkdtempSync(join(tmpdir(), 'celeriac-test-'))
const total = { passed: 0, failed: 0, skipped: 0 }
for (const [n, spec] of suites.entries()) add(runSuite(spec, join(dir, `${n}.json`)))
rmSync(dir, { recursive: true })
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed === 0 ? 0 : 1

function runSuite(spec, report) {
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js')
  const args = [mocha, '--spec', spec, '--reporter', join(root, 'test', 'support', 'reporter.ts')]
  const { error, status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, CELERIAC_TEST_REPORT: report },
    timeout: SUITE_LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  try {
    return JSON.parse(readFileSync(report, 'utf8'))
  } catch {
    console.error(`${spec} did not come to its end: ${error?.message ?? `exit code ${status}`}`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

function add(counts) {
  for (const key of Object.keys(total)) total[key] += counts[key]
}
