/** What a command is, how its options are read, and how it says what was wrong with them. */

import { Option, type Command, type CommanderError } from 'commander'
import type { Celery } from '../app/celery.ts'
import type { Output } from './output.ts'

/** What a command works with: the options before its name, already carried out. */
export interface CommandContext {
  readonly output: Output
  readonly app: Celery
  /** What `-A` says. */
  readonly appName: string | undefined
  /** Where the command line was given, whatever `--workdir` says. */
  readonly cwd: string
}

/** One command of `celeriac`; answers with its exit code. */
export type Action<Options> = (
  context: CommandContext,
  options: Options,
  args: readonly string[],
) => Promise<number>

/** The caller got it wrong: click's form, exit code 2. */
export class UsageError extends Error {
  readonly command: Command | undefined
  constructor(message: string, command?: Command) {
    super(message)
    this.command = command
  }
}

export const EX_OK = 0
export const EX_FAILURE = 1
export const EX_USAGE = 2
/** The broker or the backend did not answer. */
export const EX_UNAVAILABLE = 69

/** Reads an option's text; what it throws is shown behind `Invalid value for …`. */
export type Reader<T> = (text: string) => T

/** Adds an option that takes a value, which may also come from the environment. */
export function addOption<T>(
  command: Command,
  flags: string,
  description: string,
  read: Reader<T>,
): void {
  const option = new Option(flags, description).argParser((text: string) => {
    try {
      return read(text)
    } catch (error) {
      const names = [option.short, option.long].filter((name) => name !== undefined)
      const which = names.map((name) => `'${name}'`).join(' / ')
      throw new UsageError(`Invalid value for ${which}: ${(error as Error).message}`, command)
    }
  })
  command.addOption(option.env(environmentName(command, option)))
}

/** Adds an option that is there or not. */
export function addFlag(command: Command, flags: string, description: string): void {
  command.addOption(new Option(flags, description))
}

/** `CELERY_WORKER_CONCURRENCY`. @see click, `auto_envvar_prefix` */
function environmentName(command: Command, option: Option): string {
  const words = command.parent === null ? [] : [command.name()]
  words.unshift('CELERY')
  words.push(option.name())
  return words.join('_').toUpperCase().replaceAll('-', '_')
}

export const anything: Reader<string> = (value) => value

export const integer: Reader<number> = (value) => {
  if (!/^\s*[+-]?\d+\s*$/.test(value)) throw new Error(`'${value}' is not a valid integer.`)
  return Number(value)
}

export const float: Reader<number> = (value) => {
  const number = value.trim() === '' ? Number.NaN : Number(value)
  if (Number.isNaN(number)) throw new Error(`'${value}' is not a valid float.`)
  return number
}

/** `a,b` as a list. */
export const commaSeparated: Reader<readonly string[]> = (value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

export function choice(choices: readonly string[]): Reader<string> {
  return (value) => {
    if (choices.includes(value)) return value
    const known = choices.map((name) => `'${name}'`).join(', ')
    throw new Error(`'${value}' is not one of ${known}.`)
  }
}

const WRONG_APP_OPTION = (
  option: string,
  command: string,
): string => `You are using \`${option}\` as an option of the ${command} sub-command:
celeriac ${command} ${option} celeryapp <...>

The support for this usage was removed in Celery 5.0. Instead you should use \`${option}\` as a global option:
celeriac ${option} celeryapp ${command} <...>`

/**
 * Tells what was wrong with the command line, as click does.
 *
 * @see celery 5.6, bin/celery.py, `WRONG_APP_OPTION_USAGE_MESSAGE`
 */
export function reportUsage(output: Output, program: Command, error: UsageError): void {
  const command = error.command ?? program
  const path = command === program ? program.name() : `${program.name()} ${command.name()}`
  const option = /^No such option: (-A|--app)\b/.exec(error.message)?.[1]
  if (option !== undefined && command !== program) {
    output.error(WRONG_APP_OPTION(option, command.name()))
  }
  const usage = `Usage: ${path} ${command.usage()}\nTry '${path} --help' for help.\n`
  output.warn(`${usage}\nError: ${error.message}`)
}

/** What commander found wrong, in click's words; undefined when it only showed help. */
export function toUsageError(error: CommanderError, command: Command): UsageError | undefined {
  if (error.exitCode === 0 || error.code === 'commander.help') return undefined
  if (error.code === 'commander.excessArguments') return excess(command)
  const text = error.message.replace(/^error: /, '')
  for (const [pattern, words] of MESSAGES) {
    const match = pattern.exec(text)
    if (match !== null) return new UsageError(words(match[1] ?? '', match[2]), command)
  }
  return new UsageError(text, command)
}

function excess(command: Command): UsageError {
  const extra = command.args.slice(command.registeredArguments.length)
  const noun = extra.length === 1 ? 'argument' : 'arguments'
  return new UsageError(`Got unexpected extra ${noun} (${extra.join(' ')})`, command)
}

type Words = (name: string, similar: string | undefined) => string

const SIMILAR = String.raw`(?:\n\(Did you mean (?:one of )?(.*)\?\))?`
const meant = (similar: string | undefined): string =>
  similar === undefined ? '' : ` Did you mean ${similar}?`

/** Commander's words to click's. */
const MESSAGES: readonly (readonly [RegExp, Words])[] = [
  [
    new RegExp(`^unknown option '(.*)'${SIMILAR}`),
    (name, similar) => `No such option: ${name}${meant(similar)}`,
  ],
  [
    new RegExp(`^unknown command '(.*)'${SIMILAR}`),
    (name, similar) => `No such command '${name}'.${meant(similar)}`,
  ],
  [/^missing required argument '(.*)'/, (name) => `Missing argument '${name.toUpperCase()}'.`],
  [
    /^option '(?:-\w, )?(--[\w-]+|-\w)[^']*' argument missing/,
    (name) => `Option '${name}' requires an argument.`,
  ],
]
