#!/usr/bin/env node
/** `celeriac <command>`: the command line, under the words, options and exit codes of `celery`. */

import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CeleryError } from '../errors.ts'
import { defineProgram } from './program.ts'
import { EX_FAILURE, EX_UNAVAILABLE, EX_USAGE, reportUsage, UsageError } from './command.ts'
import { consoleOutput } from './output.ts'

/** Runs one command line; resolves with the exit code, when everything is closed. */
export async function main(argv: readonly string[]): Promise<number> {
  const { program, exitcode } = defineProgram()
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitcode()
  } catch (error) {
    const output = consoleOutput({ color: process.stderr.isTTY === true, quiet: false })
    if (error instanceof UsageError) {
      reportUsage(output, program, error)
      return EX_USAGE
    }
    output.error(`Error: ${error instanceof CeleryError ? error.message : stackOf(error)}`)
    const unavailable = error instanceof CeleryError && error.code === 'ERR_OPERATIONAL'
    return unavailable ? EX_UNAVAILABLE : EX_FAILURE
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** What a user's module left open must not keep a finished command alive for ever. */
const LINGER_MS = 5000

const script = process.argv[1]
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2))
  setTimeout(() => process.exit(), LINGER_MS).unref()
}
