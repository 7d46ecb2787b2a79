/** What commands write: plain text, colours where they are wanted, and Celery's banner. */

import { readFileSync } from 'node:fs'
import { arch, release, type } from 'node:os'

/** What is written to: the process, or a test's own. */
export interface Streams {
  readonly stdout: Stream
  readonly stderr: Stream
}

interface Stream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Where a command writes to, and how. */
export interface Output {
  /** Whether the standard output may be coloured. */
  readonly color: boolean
  readonly quiet: boolean
  /** One line, or several, to the standard output. */
  echo(text: string): void
  /** The same to the standard error, in red. */
  error(text: string): void
  /** The same to the standard error. */
  warn(text: string): void
}

const COLORS = { red: 31, cyan: 36 } as const

export interface OutputOptions {
  /** False when `--no-color` was given. */
  readonly color: boolean
  readonly quiet: boolean
}

/** Colours are for terminals, unless NO_COLOR is set. @see https://no-color.org */
export function outputTo({ stdout, stderr }: Streams, { color, quiet }: OutputOptions): Output {
  const wanted = ({ isTTY }: Stream): boolean => color && isTTY === true && !process.env['NO_COLOR']
  return {
    color: wanted(stdout),
    quiet,
    echo: (text) => void stdout.write(`${text}\n`),
    error: (text) => void stderr.write(`${paint(text, 'red', wanted(stderr))}\n`),
    warn: (text) => void stderr.write(`${text}\n`),
  }
}

export function paint(text: string, color: keyof typeof COLORS, enabled: boolean): string {
  return enabled ? `\u001b[${COLORS[color]}m${text}\u001b[0m` : text
}

/** `0.1.0`, from the package that this file is part of: two folders up as source, three when built. */
function version(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const text = readFileSync(new URL(up, import.meta.url), 'utf8')
      const { name, version: found } = JSON.parse(text) as { name?: unknown; version?: unknown }
      if (name === 'celeriac' && typeof found === 'string') return found
    } catch {
      // Not there: the next one is.
    }
  }
  return 'unknown'
}

/** `0.1.0 (celeriac)`, where Celery prints `5.6.2 (recovery)`. */
export function versionBanner(): string {
  return `${version()} (celeriac)`
}

/** Left of the banner's lines. @see celery 5.6, apps/worker.py, `ARTLINES` */
const ARTLINES = [
  ' --------------',
  '--- ***** -----',
  '-- ******* ----',
  '- *** --- * ---',
  '- ** ----------',
  '- ** ----------',
  '- ** ----------',
  '- ** ----------',
  '- *** --- * ---',
  '-- ******* ----',
  '--- ***** -----',
  ' --------------',
]

export interface QueueLine {
  readonly name: string
  readonly exchange: string
  readonly type: string
  readonly routingKey: string
}

export interface BannerFacts {
  readonly hostname: string
  readonly app: string
  readonly transport: string
  readonly results: string
  readonly concurrency: string
  readonly queues: readonly QueueLine[]
  /** Names of tasks to list; undefined when the log level asks for none. */
  readonly tasks: readonly string[] | undefined
  readonly now: Date
}

/** What a worker shows when it starts, in Celery's layout. @see celery 5.6, apps/worker.py, `startup_info` */
export function banner(facts: BannerFacts): string {
  const lines = [
    `${facts.hostname} v${versionBanner()}`,
    '',
    `${type()}-${release()}-${arch()}-with-node${process.versions.node} ${timestamp(facts.now)}`,
    '',
    '[config]',
    `.> app:         ${facts.app}`,
    `.> transport:   ${facts.transport}`,
    `.> results:     ${facts.results}`,
    `.> concurrency: ${facts.concurrency}`,
    '.> task events: OFF (enable -E to monitor tasks in this worker)',
    '',
    '[queues]',
    ...facts.queues.map(queueLine),
    // One queue alone is followed by an empty line.
    ...(facts.queues.length === 1 ? [''] : []),
  ]
  const art = lines.map((line, i) => `${ARTLINES[i] ?? ' '.repeat(15)} ${line}`)
  const tasks = facts.tasks?.map((name) => `  . ${name}`)
  const listing = tasks === undefined ? [] : ['', '', '[tasks]', ...tasks]
  return [' ', ...art, ...listing, ''].join('\n')
}

/** @see celery 5.6, app/amqp.py, `QUEUE_FORMAT` */
function queueLine({ name, exchange, type: kind, routingKey }: QueueLine): string {
  return `.> ${name.padEnd(16)} exchange=${exchange}(${kind}) key=${routingKey}`
}

/** `2026-11-22 08:18:20` on the local clock. */
function timestamp(date: Date): string {
  const pad = (value: number): string => String(value).padStart(2, '0')
  const day = [date.getFullYear(), pad(date.getMonth() + 1), pad(date.getDate())].join('-')
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(':')}`
}
