/** One command line from its words to its exit code. */

import { CommanderError } from 'commander'
import { formatTraceback } from '../../protocol/python/exception.ts'
import { CeleryError } from '../errors.ts'
import { EX_FAILURE, EX_OK, EX_UNAVAILABLE, EX_USAGE, reportUsage, UsageError } from './command.ts'
import { outputTo, type Streams } from './output.ts'
import { defineProgram } from './program.ts'

/** Resolves with the exit code when everything is closed; never rejects. */
export async function run(argv: readonly string[], streams: Streams = process): Promise<number> {
  const { program, exitcode } = defineProgram(streams)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitcode()
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EX_OK
    const output = outputTo(streams, { color: !argv.includes('--no-color'), quiet: false })
    if (error instanceof UsageError) {
      reportUsage(output, program, error)
      return EX_USAGE
    }
    const expected = error instanceof CeleryError
    output.error(`Error: ${expected ? error.message : formatTraceback(error)}`)
    return expected && error.code === 'ERR_OPERATIONAL' ? EX_UNAVAILABLE : EX_FAILURE
  }
}
