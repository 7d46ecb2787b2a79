/** The logger port, and a console one that writes lines as Celery does. */

export const LOG_LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Where the worker and the app write; bring your own by giving these five. */
export type Logger = Readonly<Record<LogLevel, (message: string) => void>>

export const SILENT: Logger = {
  debug: () => {},
  info: () => {},
  warning: () => {},
  error: () => {},
  critical: () => {},
}

export interface ConsoleLoggerOptions {
  /**
   * The lowest level that is written.
   *
   * @default CELERY_LOG_LEVEL of the environment, which `celeriac worker -l` sets; else 'warning'
   */
  readonly level?: LogLevel
  /**
   * Stands for Python's process name.
   *
   * @default CELERY_PROCESS_NAME of the environment, which a child of a pool sets; else 'MainProcess'
   */
  readonly processName?: string
  /** @default process.stderr.write */
  readonly write?: (line: string) => void
  readonly now?: () => Date
}

/** Whether anybody reads a level: a line that nobody reads need not be made. */
export function isEnabled(log: Logger, level: LogLevel): boolean {
  return log[level] !== SILENT[level]
}

/** `[2026-11-22 08:18:25,313: INFO/MainProcess] message`, one line an event. */
export function consoleLogger(options: ConsoleLoggerOptions = {}): Logger {
  const threshold = LOG_LEVELS.indexOf(options.level ?? levelOf(process.env) ?? 'warning')
  const write = options.write ?? ((line: string): void => void process.stderr.write(line))
  const now = options.now ?? ((): Date => new Date())
  const processName = options.processName ?? process.env['CELERY_PROCESS_NAME'] ?? 'MainProcess'
  const at = (level: LogLevel, rank: number): ((message: string) => void) => {
    if (rank < threshold) return SILENT[level]
    return (message) =>
      write(`[${timestamp(now())}: ${level.toUpperCase()}/${processName}] ${printable(message)}\n`)
  }
  const entries = LOG_LEVELS.map((level, rank) => [level, at(level, rank)] as const)
  return Object.fromEntries(entries) as unknown as Logger
}

function levelOf(env: Readonly<Record<string, string | undefined>>): LogLevel | undefined {
  const name = env['CELERY_LOG_LEVEL']?.toLowerCase()
  return LOG_LEVELS.find((level) => level === name)
}

/** `2026-11-22 08:18:25,313` in local time, as Python's logging writes it. */
function timestamp(date: Date): string {
  const pad = (value: number, width = 2): string => String(value).padStart(width, '0')
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  return `${day} ${time},${pad(date.getMilliseconds(), 3)}`
}

/**
 * Task names and messages come from others: control characters and direction marks are shown, not
 * obeyed, so that nobody can forge a line. Line feed and tab stay, for tracebacks; the lines that
 * follow the first are ours to write, see {@link oneLine} for what is not.
 */
function printable(message: string): string {
  return message.replace(UNPRINTABLE, escapeCharacter)
}

/** A name, an id or an error's text from outside, as part of one log line. */
export function oneLine(text: string): string {
  return printable(text).replace(/[\n\t]/g, escapeCharacter)
}

const UNPRINTABLE =
  // oxlint-disable-next-line no-control-regex -- these characters are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
