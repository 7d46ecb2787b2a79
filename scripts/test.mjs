/** `npm test`: installs what is missing, runs every suite on real servers, and counts what came of it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installPackages, installServices, root } from './setup.mjs'

/** A quarter of an hour a suite; a suite that hangs is a failure. */
const SUITE_LIMIT_MS = 900_000
/** What a suite that is told to end gets to stop its servers. */
const GRACE_MS = 10_000
/** What ends a run from outside, and the exit code that tells. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }

const suites = process.argv.slice(2)
if (suites.length === 0)
  suites.push('test/**/*.test.ts', 'interop/**/*.test.ts', 'faults/**/*.test.ts')

installPackages()
installServices({ python: suites.some((spec) => !spec.startsWith('test/')) })

const dir = mkdtempSync(join(tmpdir(), 'celeriac-test-'))
const total = { passed: 0, failed: 0, skipped: 0 }
for (const [n, spec] of suites.entries()) add(await runSuite(spec, join(dir, `${n}.json`)))
rmSync(dir, { recursive: true, force: true })
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed === 0 ? 0 : 1

async function runSuite(spec, report) {
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js')
  const args = [mocha, '--spec', spec, '--reporter', join(root, 'test', 'support', 'reporter.ts')]
  const end = await ended(
    spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      // with its temporary files in one place, so that nothing of them stays
      env: { ...process.env, TMPDIR: dir, CELERIAC_TEST_REPORT: report },
      // a group of its own, for mocha is two processes
      detached: true,
    }),
  )
  const counts = read(report)
  if (counts && (end === 0 || counts.failed > 0)) return counts
  console.error(`${spec} did not come to its end: ${end}`)
  return { passed: 0, skipped: 0, ...counts, failed: 1 }
}

/** How a suite ended: its exit code, its signal, or why it could not start. */
async function ended(child) {
  const interrupt = (signal) => void stop(child).then(() => process.exit(EXIT_CODES[signal]))
  for (const signal of Object.keys(EXIT_CODES)) process.once(signal, interrupt)
  const end = await Promise.race([
    once(child, 'exit').then(([code, signal]) => code ?? signal, String),
    sleep(SUITE_LIMIT_MS, `it took longer than ${SUITE_LIMIT_MS / 1000} s`, { ref: false }),
  ])
  await stop(child)
  for (const signal of Object.keys(EXIT_CODES)) process.off(signal, interrupt)
  return end
}

/** Ends what is left of a suite: in order, or by force. */
async function stop(child) {
  const end = Date.now() + GRACE_MS
  let there = signalGroup(child, 'SIGTERM')
  while (there && Date.now() < end) {
    await sleep(50)
    there = signalGroup(child, 0)
  }
  if (there) signalGroup(child, 'SIGKILL')
}

/** Whether there was a process to signal. */
function signalGroup({ pid }, signal) {
  try {
    return pid !== undefined && process.kill(-pid, signal)
  } catch {
    return false
  }
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
