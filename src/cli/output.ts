/** What commands write: plain text, colours where they are wanted, and Celery's banner. */

import { readFileSync } from 'node:fs'
import { arch, release, type } from 'node:os'

/** Where a command writes to, and how. */
export interface Output {
  readonly color: boolean
  readonly quiet: boolean
  /** One line, or several, to the standard output. */
  echo(text: string): void
  /** The same to the standard error, in red. */
  error(text: string): void
}

const COLORS = { red: 31, cyan: 36 } as const

export interface OutputOptions {
  readonly color: boolean
  readonly quiet: boolean
}

export function consoleOutput({ color, quiet }: OutputOptions): Output {
  return {
    color,
    quiet,
    echo: (text) => void process.stdout.write(`${text}\n`),
    error: (text) => void process.stderr.write(`${paint(text, 'red', color)}\n`),
  }
}

export function paint(text: string, color: keyof typeof COLORS, enabled: boolean): string {
  return enabled ? `\u001b[${COLORS[color]}m${text}\u001b[0m` : text
}

/** `0.1.0`, from the package that this file is part of: two folders up as source, three when built. */
export function version(): string {
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
