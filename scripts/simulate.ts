/**
 * Lives through simulated histories of workers: `simulate.ts histories <first seed> <how many>`, or one
 * with its trace, `simulate.ts replay <seed>`; and asks whether the simulation would find bugs, `mutants`,
 * and is the same twice, `again <how many>`, and does what it once did not, `regressions`.
 */

import { live, type HistoryResult } from '../test/simulation/history.ts'
import { BUGS, type SeededBug } from '../test/simulation/mutants.ts'
import { REGRESSIONS } from '../test/simulation/regressions.ts'

/** More failures than this say nothing new. */
const MAX_FAILURES = 5
/** Histories in which each bug must be found. */
const MUTANT_HISTORIES = 600

let failures = 0

function fail(text: string): void {
  failures += 1
  console.log(text)
}

async function check(seed: number, note = ''): Promise<HistoryResult> {
  const result = await live({ seed })
  if (result.violation !== undefined) {
    fail(`seed ${seed}${note}: ${result.violation}\n${(await traceOf(seed)).join('\n')}`)
    console.log(
      `to see it again: CELERIAC_SIM_SEED=${seed} npx mocha test/simulation/simulation.test.ts`,
    )
  }
  return result
}

async function traceOf(seed: number): Promise<readonly string[]> {
  return (await live({ seed, traced: true })).trace
}

async function histories(first: number, count: number): Promise<void> {
  let lived = 0
  let steps = 0
  while (lived < count) {
    steps += (await check(first + lived)).steps
    lived += 1
    if (failures === MAX_FAILURES) break
  }
  console.log(`${lived} histories of ${steps} steps, ${failures} of them went wrong`)
}

async function replay(seed: number): Promise<void> {
  const { violation, trace } = await live({ seed, traced: true })
  console.log(trace.join('\n'))
  if (violation === undefined) console.log(`seed ${seed}: nothing went wrong`)
  else fail(`seed ${seed}: ${violation}`)
}

async function again(count: number): Promise<void> {
  for (let seed = 1; seed <= count; seed += 1) {
    const [once, twice] = [await traceOf(seed), await traceOf(seed)]
    const at = once.findIndex((line, n) => line !== twice[n])
    if (at >= 0) fail(`seed ${seed} is not the same twice: ${once[at]} / ${twice[at]}`)
  }
  console.log(`${count} histories were lived through again`)
}

async function mutants(): Promise<void> {
  for (const [name, bug] of Object.entries(BUGS)) {
    const found = await find(bug)
    if (found === undefined) fail(`missed: a worker that ${name}`)
    else console.log(`found: a worker that ${name}, seed ${found}`)
  }
}

/** Not by any failure, but by the one that it must lead to. */
async function find({ mutant, shows }: SeededBug): Promise<string | undefined> {
  for (let seed = 1; seed <= MUTANT_HISTORIES; seed += 1) {
    const { violation = '' } = await live({ seed, mutant })
    if (shows.test(violation)) return `${seed}: ${violation}`
  }
  return undefined
}

async function regressions(): Promise<void> {
  for (const [what, seeds] of Object.entries(REGRESSIONS)) {
    for (const seed of seeds) await check(seed, ` (${what})`)
    console.log(`${seeds.length} histories: ${what}`)
  }
}

const COMMANDS: Readonly<Record<string, (...numbers: number[]) => Promise<void>>> = {
  histories: (first = 1, count = 1000) => histories(first, count),
  replay: (seed = 1) => replay(seed),
  again: (count = 100) => again(count),
  mutants,
  regressions,
}

const [command = 'histories', ...numbers] = process.argv.slice(2)
await COMMANDS[command]?.(...numbers.map(Number))
process.exitCode = failures === 0 ? 0 : 1
