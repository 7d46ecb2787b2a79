/** The program with its commands, and the options that stand before them. */

import { Command } from 'commander'
import { appOf } from './app.ts'
import {
  addFlag,
  addOption,
  EX_OK,
  anything,
  toUsageError,
  UsageError,
  type Action,
} from './command.ts'
import { defineCall, runCall } from './commands/call.ts'
import { defineResult, runResult } from './commands/result.ts'
import { defineWorker, prepareWorker, runWorker } from './commands/worker.ts'
import { outputTo, versionBanner, type Output, type OutputOptions, type Streams } from './output.ts'

export interface Program {
  readonly program: Command
  /** Of the command that ran. */
  readonly exitcode: () => number
}

interface GlobalOptions {
  readonly app?: string
  readonly broker?: string
  readonly resultBackend?: string
  readonly workdir?: string
  readonly color: boolean
  readonly quiet?: boolean
  readonly version?: boolean
}

interface Definition {
  readonly name: string
  readonly define: (command: Command) => void
  /** What must be said before the app is loaded: its logger is made then. */
  readonly prepare?: (options: never) => void
  readonly run: Action<never>
}

const COMMANDS: readonly Definition[] = [
  { name: 'call', define: defineCall, run: runCall },
  { name: 'result', define: defineResult, run: runResult },
  { name: 'worker', define: defineWorker, prepare: prepareWorker, run: runWorker },
]

/** @see celery 5.6, bin/celery.py */
export function defineProgram(streams: Streams): Program {
  let exitcode = EX_OK
  const program = silence(new Command('celeriac'), streams)
  program.usage('[OPTIONS] COMMAND [ARGS]...').enablePositionalOptions()
  addOption(
    program,
    '-A, --app <module>',
    'The module of the app: ./app.js or ./app.js:name',
    anything,
  )
  addOption(program, '-b, --broker <url>', 'URL of the broker, in place of brokerUrl', anything)
  addOption(
    program,
    '--result-backend <url>',
    'URL of the backend, in place of resultBackend',
    anything,
  )
  addOption(program, '--workdir <path>', 'Change to this directory first', anything)
  addFlag(program, '-C, --no-color', 'No colours; NO_COLOR in the environment does the same')
  addFlag(program, '-q, --quiet', 'No banner')
  addFlag(program, '--version', 'Show the version')
  program.allowExcessArguments().action(() => showVersionOrHelp(program, streams))
  for (const { name, define, prepare, run } of COMMANDS) {
    const command = silence(program.command(name), streams)
    define(command)
    command.allowExcessArguments(false)
    command.action(async (...given: unknown[]) => {
      const args = given.slice(0, -2) as readonly string[]
      prepare?.(command.opts())
      const output = outputTo(streams, outputOptions(program.opts()))
      const context = { output, args, options: command.opts() }
      exitcode = await carryOut(program.opts(), run, context)
    })
  }
  return { program, exitcode: () => exitcode }
}

/** Errors are ours to tell, in click's form. */
function silence(command: Command, { stdout, stderr }: Streams): Command {
  command.configureOutput({
    writeOut: (text) => void stdout.write(text),
    writeErr: (text) => void stderr.write(text),
    outputError: () => {},
  })
  return command.exitOverride((error) => {
    throw toUsageError(error, command) ?? error
  })
}

function showVersionOrHelp(program: Command, streams: Streams): void {
  const globals = program.opts<GlobalOptions>()
  const [unknown] = program.args
  if (unknown !== undefined) throw new UsageError(`No such command '${unknown}'.`)
  if (globals.version !== true) program.outputHelp()
  else outputTo(streams, outputOptions(globals)).echo(versionBanner())
}

interface Called {
  readonly output: Output
  readonly options: unknown
  readonly args: readonly string[]
}

/** The options before the command first: they change where the app is found and what it is told. */
async function carryOut(
  globals: GlobalOptions,
  run: Action<never>,
  { output, options, args }: Called,
): Promise<number> {
  if (globals.version === true) {
    output.echo(versionBanner())
    return EX_OK
  }
  const cwd = process.cwd()
  if (globals.workdir !== undefined) process.chdir(globals.workdir)
  if (globals.broker !== undefined) process.env['CELERY_BROKER_URL'] = globals.broker
  if (globals.resultBackend !== undefined) {
    process.env['CELERY_RESULT_BACKEND'] = globals.resultBackend
  }
  const app = await appOf(globals.app)
  try {
    return await run({ app, appName: globals.app, cwd, output }, options as never, args)
  } finally {
    await app.close()
  }
}

function outputOptions({ color, quiet }: GlobalOptions): OutputOptions {
  return { color, quiet: quiet === true }
}
