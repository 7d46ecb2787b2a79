/** `npm test`: installs what is missing, runs every suite on real servers, and counts what came of it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
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

/** Suites that mostly wait for their servers run side by side; what measures time runs alone. */
const ROUNDS = [['test/**/*.test.ts', 'interop/**/*.test.ts'], ['faults/**/*.test.ts']]

const given = process.argv.slice(2)
const rounds = given.length === 0 ? ROUNDS : given.map((spec) => [spec])

installPackages()
installServices({ python: rounds.flat().some((spec) => !spec.startsWith('test/')) })

const dir = mkdtempSync(join(tmpdir(), 'celeriac-test-'))
const total = { passed: 0, failed: 0, skipped: 0 }
const running = new Set()
for (const signal of Object.keys(EXIT_CODES)) process.once(signal, () => void interrupt(signal))
for (const round of rounds) await runRound(round)
rmSync(dir, { recursive: true, force: true })
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed === 0 ? 0 : 1

/** The first suite is seen as it goes, each other one as a whole when those before it are over. */
async function runRound(specs) {
  const suites = specs.map((spec, n) => runSuite(spec, n === 0 ? undefined : join(dir, `${n}.log`)))
  for (const suite of suites) {
    const { counts, log } = await suite
    if (log !== undefined) process.stdout.write(readFileSync(log))
    add(counts)
  }
}

async function runSuite(spec, log) {
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js')
  const args = [mocha, '--spec', spec, '--reporter', join(root, 'test', 'support', 'reporter.ts')]
  const report = join(mkdtempSync(join(dir, 'suite-')), 'report.json')
  const output = log === undefined ? 'inherit' : openSync(log, 'w')
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', output, output],
    // with its temporary files in one place, so that nothing of them stays
    env: { ...process.env, TMPDIR: dir, CELERIAC_TEST_REPORT: report },
    // a group of its own, for mocha is two processes
    detached: true,
  })
  running.add(child)
  const end = await ended(child)
  running.delete(child)
  const counts = read(report)
  if (counts && (end === 0 || counts.failed > 0)) return { counts, log }
  console.error(`${spec} did not come to its end: ${end}`)
  return { counts: { passed: 0, skipped: 0, ...counts, failed: 1 }, log }
}

/** How a suite ended: its exit code, its signal, or why it could not start. */
async function ended(child) {
  const end = await Promise.race([
    once(child, 'exit').then(([code, signal]) => code ?? signal, String),
    sleep(SUITE_LIMIT_MS, `it took longer than ${SUITE_LIMIT_MS / 1000} s`, { ref: false }),
  ])
  await stop(child)
  return end
}

async function interrupt(signal) {
  await Promise.all([...running].map((child) => stop(child)))
  process.exit(EXIT_CODES[signal])
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
