/** `npm test`: installs what is missing, runs every suite on real servers, and counts what came of it. */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installPackages, installServices, root } from './setup.mjs'

/** Ten minutes a suite; a suite that hangs is a failure. */
const SUITE_LIMIT_MS = 600_000
/** What a suite that is told to end gets to stop its servers. */
const GRACE_MS = 10_000

const suites = process.argv.slice(2)
if (suites.length === 0) suites.push('test/**/*.test.ts', 'interop/**/*.test.ts')

installPackages()
installServices({ python: suites.some((spec) => !spec.startsWith('test/')) })

const dir = mkdtempSync(join(tmpdir(), 'celeriac-test-'))
const total = { passed: 0, failed: 0, skipped: 0 }
for (const [n, spec] of suites.entries()) add(await runSuite(spec, join(dir, `${n}.json`)))
rmSync(dir, { recursive: true })
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed === 0 ? 0 : 1

async function runSuite(spec, report) {
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js')
  const args = [mocha, '--spec', spec, '--reporter', join(root, 'test', 'support', 'reporter.ts')]
  const env = { ...process.env, CELERIAC_TEST_REPORT: report }
  const end = await ended(spawn(process.execPath, args, { cwd: root, stdio: 'inherit', env }))
  const counts = read(report)
  if (counts && (end === 0 || counts.failed > 0)) return counts
  console.error(`${spec} did not come to its end: ${end}`)
  return { passed: 0, skipped: 0, ...counts, failed: 1 }
}

/** How a suite ended: its exit code, its signal, or why it could not start. */
async function ended(child) {
  const stop = () => {
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref()
  }
  const limit = setTimeout(stop, SUITE_LIMIT_MS)
  const terminate = () => {
    stop()
    child.once('exit', () => process.exit(143))
  }
  process.once('SIGTERM', terminate)
  const end = await new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal))
    child.once('error', (error) => resolve(error.message))
  })
  clearTimeout(limit)
  process.off('SIGTERM', terminate)
  return end
}

function read(report) {
  try {
    return JSON.parse(readFileSync(report, 'utf8'))
  } catch {
    return undefined
  }
}

function add(counts) {
  for (const key of Object.keys(total)) total[key] += counts[key]
}
