/** The import rules of the floors, each tried with an import that it must refuse. */

import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ROOT } from './support/build.ts'

/** A file, what it must not import, and a part of the reason that the linter gives. */
const FORBIDDEN: readonly (readonly [file: string, target: string, reason: string])[] = [
  ['protocol/x.ts', '../src/errors.ts', 'ground floor'],
  ['protocol/task/x.ts', '../../src/errors.ts', 'ground floor'],
  ['protocol/x.ts', 'node:net', 'no I/O'],
  ['protocol/x.ts', 'node:crypto', 'no I/O'],
  ['src/runtime/x.ts', '../messaging/entity.ts', 'know no other room'],
  ['src/errors.ts', './messaging/entity.ts', 'know no other room'],
  ['src/canvas/x.ts', '../app/celery.ts', 'only plans'],
  ['src/canvas/x.ts', 'node:crypto', 'ids and times come in'],
  ['src/conf/x.ts', '../app/celery.ts', 'table of settings'],
  ['src/messaging/x.ts', '../transports/open.ts', 'port'],
  ['src/redis.ts', './transports/open.ts', 'port'],
  ['src/results/x.ts', '../backends/open.ts', 'port'],
  ['src/transports/redis/x.ts', '../../backends/open.ts', 'no sister'],
  ['src/transports/redis/x.ts', '../../app/celery.ts', 'no sister'],
  ['src/transports/redis/x.ts', '../amqp/transport.ts', 'do not know each other'],
  ['src/transports/amqp/x.ts', '../memory/transport.ts', 'do not know each other'],
  ['src/backends/redis/x.ts', '../rpc/recent-metas.ts', 'do not know each other'],
  ['src/backends/x.ts', '../transports/open.ts', 'no sister'],
  ['src/backends/redis/x.ts', '../../task/task.ts', 'no sister'],
  ['src/control/x.ts', '../events/x.ts', 'Sisters do not talk'],
  ['src/events/x.ts', '../control/x.ts', 'Sisters do not talk'],
  ['src/task/x.ts', '../messaging/producer.ts', 'task/sender.ts'],
  ['src/app/x.ts', '../worker/worker.ts', 'below the services'],
  ['src/app/x.ts', '../transports/redis/transport.ts', 'open.ts only'],
  ['src/worker/x.ts', '../transports/open.ts', 'from the app'],
  ['src/worker/pool/x.ts', '../../cli/run.ts', 'from the app'],
  ['src/beat/x.ts', '../worker/worker.ts', 'from the app'],
  ['src/schedules/x.ts', '../runtime/clock.ts', 'ground floor'],
  ['src/cli/commands/x.ts', '../../transports/open.ts', 'never an adapter'],
  ['src/worker/x.ts', '../index.ts', 'A door is for users'],
  ['interop/cases/x.test.ts', '../../src/app/celery.ts', 'as its users do'],
]

/** What looks alike, and is meant to be. */
const ALLOWED: readonly (readonly [file: string, target: string])[] = [
  ['protocol/x.ts', 'node:zlib'],
  ['src/app/x.ts', '../transports/open.ts'],
  ['src/app/x.ts', '../backends/open.ts'],
  ['src/transports/open.ts', './redis/transport.ts'],
  ['src/transports/redis/x.ts', '../../messaging/transport.ts'],
  ['src/transports/redis/x.ts', '../../redis.ts'],
  ['src/backends/rpc.ts', '../messaging/producer.ts'],
  ['src/worker/x.ts', '../app/celery.ts'],
  ['src/cli/commands/x.ts', '../../worker/worker.ts'],
  ['src/index.ts', './app/celery.ts'],
  ['interop/cases/x.test.ts', '../../src/index.ts'],
]

interface Report {
  readonly diagnostics: readonly {
    readonly filename: string
    /** The reason of the rule. */
    readonly help?: string
    readonly labels: readonly { readonly span: { readonly line: number } }[]
  }[]
}

/** What the linter says of one import in one file; undefined when it has nothing against it. */
type Verdict = (file: string, target: string) => string | undefined

/** Lints files that hold those imports and nothing else, a line each. */
async function lint(
  folder: string,
  imports: readonly (readonly [file: string, target: string, ...rest: string[]])[],
): Promise<Verdict> {
  const files = new Map<string, string[]>()
  for (const [file, target] of imports) files.set(file, [...(files.get(file) ?? []), target])
  for (const [file, targets] of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    const lines = targets.map((target, index) => `export { x as x${index} } from '${target}'\n`)
    await writeFile(join(folder, file), lines.join(''))
  }
  await cp(join(ROOT, '.oxlintrc.json'), join(folder, '.oxlintrc.json'))
  const { diagnostics } = await oxlint(folder)
  return (file, target) => {
    const line = (files.get(file)?.indexOf(target) ?? -1) + 1
    const said = diagnostics.filter(({ filename }) => filename === file)
    return said.find(({ labels: [label] }) => label?.span.line === line)?.help
  }
}

/** It ends with 1 when it has something to say. */
function oxlint(folder: string): Promise<Report> {
  const bin = join(ROOT, 'node_modules', '.bin')
  // it looks for its type checker in the PATH
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` }
  return new Promise((resolve, reject) => {
    execFile(
      join(bin, 'oxlint'),
      ['--format', 'json'],
      { cwd: folder, env },
      (error, stdout, stderr) => {
        if (stdout.startsWith('{')) resolve(JSON.parse(stdout) as Report)
        else reject(new Error(`oxlint said ${stdout}${stderr}`, { cause: error }))
      },
    )
  })
}

describe('the import rules', () => {
  let folder: string
  let verdict: Verdict

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'celeriac-rules-'))
    verdict = await lint(folder, [...FORBIDDEN, ...ALLOWED])
  })
  after(() => rm(folder, { recursive: true }))

  for (const [file, target, reason] of FORBIDDEN) {
    it(`keep ${target} out of ${file}, and say why`, () => {
      expect(verdict(file, target) ?? 'nothing').to.include(reason)
    })
  }

  for (const [file, target] of ALLOWED) {
    it(`let ${file} import ${target}`, () => {
      expect(verdict(file, target)).to.equal(undefined)
    })
  }
})
