/** From what users give to what the app reads: names, types, environment and defaults, in that order. */

import { ImproperlyConfigured } from '../errors.ts'
import { secondsOf } from '../runtime/duration.ts'
import { hint } from '../runtime/nearest.ts'
import {
  FOREIGN_PREFIXES,
  SETTINGS,
  camelCase,
  snakeCase,
  type Conf,
  type Setting,
  type SettingName,
} from './settings.ts'
import { READERS } from './readers.ts'
import { typeName } from './structure.ts'

const TABLE: Readonly<Record<string, Setting>> = SETTINGS
const NAMES = Object.keys(SETTINGS) as readonly SettingName[]

/** What Celery 3 wrote in the place of a prefix; before any other name it wrote `CELERY_`, or nothing. */
const OLD_PREFIXES: readonly (readonly [prefix: string, old: string])[] = [
  ['task_', 'CELERY_'],
  ['worker_', 'CELERYD_'],
  ['beat_', 'CELERYBEAT_'],
  ['broker_', 'BROKER_'],
  ['control_', 'CONTROL_'],
  ['', 'CELERY_'],
]

/** Celery 3's name of a setting. @see celery 5.6, app/defaults.py, `Namespace` */
export function oldName(name: SettingName): string {
  const { old }: Setting = SETTINGS[name]
  if (old !== undefined) return old
  const [prefix, start] = OLD_PREFIXES.find(([head]) => name.startsWith(head)) ?? ['', '']
  return start + name.slice(prefix.length).toUpperCase()
}

const OLD_NAMES: ReadonlyMap<string, SettingName> = new Map(
  NAMES.flatMap((name) => [
    [name.toUpperCase(), name],
    [`CELERY_${name.toUpperCase()}`, name],
    [oldName(name), name],
  ]),
)

export type Environment = Readonly<Record<string, string | undefined>>

export interface ConfigOptions {
  /** Only names that begin with this and `_` are read, in upper case: Django's `CELERY_…`. */
  readonly namespace?: string
}

/** The name in the table of what was given in either spelling, or under Celery 3's name. */
export function settingName(given: string): SettingName | undefined {
  if (Object.hasOwn(SETTINGS, given)) return given as SettingName
  const name = snakeCase(given)
  if (Object.hasOwn(SETTINGS, name)) return name as SettingName
  return OLD_NAMES.get(given)
}

/** Settings by their name in the table, and which of those given have no effect here. */
export interface Read {
  readonly values: ReadonlyMap<SettingName, unknown>
  /** As they were given. */
  readonly ignored: readonly string[]
}

/**
 * Reads an object of settings.
 *
 * @throws ImproperlyConfigured for an unknown name, a wrong type, or one setting under two names
 */
export function readSettings(source: object, options: ConfigOptions = {}): Read {
  const values = new Map<SettingName, unknown>()
  const ignored: string[] = []
  for (const [given, value] of entriesOf(source, options.namespace)) {
    if (value === undefined) continue
    const name = settingName(given)
    if (name === undefined) {
      if (!isForeign(given)) throw unknown(given)
      ignored.push(given)
      continue
    }
    if (values.has(name)) {
      throw new ImproperlyConfigured(
        `setting '${name}' is given twice, the second time as '${given}'`,
      )
    }
    const read = readValue(name, given, value)
    if (TABLE[name]?.status !== undefined && !isDefault(name, read)) ignored.push(given)
    values.set(name, read)
  }
  return { values, ignored }
}

/** What is set to its default has all the effect that it asks for. */
function isDefault(name: SettingName, value: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(SETTINGS[name].default)
}

function entriesOf(source: object, namespace: string | undefined): [string, unknown][] {
  const entries = Object.entries(source)
  if (namespace === undefined) return entries
  const prefix = `${namespace}_`
  return entries
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length).toLowerCase(), value])
}

function isForeign(given: string): boolean {
  const name = (/[a-z]/.test(given) ? snakeCase(given) : given).toLowerCase()
  return FOREIGN_PREFIXES.some(
    (prefix) => name.startsWith(prefix) || name.startsWith(`celery_${prefix}`),
  )
}

function unknown(given: string): ImproperlyConfigured {
  const names = given.includes('_') ? NAMES : NAMES.map(camelCase)
  return new ImproperlyConfigured(`unknown setting '${given}'${hint(given, names)}`)
}

/** One value, checked and in the form that the app reads. A message never tells the value: it may be a secret. */
function readValue(name: SettingName, given: string, value: unknown): unknown {
  const setting: Setting = SETTINGS[name]
  if (setting.status === 'refused') {
    if (value === null || value === setting.default) return setting.default
    throw new ImproperlyConfigured(
      `setting '${given}' is not supported: ${REFUSED[prefixOf(name)]}`,
    )
  }
  if (value === null && (setting.default === null || setting.nullable === true)) return null
  const reader = READERS[name]
  const read =
    reader === undefined ? basic(setting, given, value) : reader(value, `setting '${given}'`)
  if (setting.choices !== undefined && !setting.choices.includes(read as string | number)) {
    const choices = setting.choices.map((choice) => `'${choice}'`).join(', ')
    throw new ImproperlyConfigured(`setting '${given}' must be one of ${choices}`)
  }
  return read
}

const REFUSED: Readonly<Record<string, string>> = {
  broker: "write it into the URL of 'brokerUrl'",
  redis: "write it into the URL of 'resultBackend'",
  security: 'messages are not signed here, so it would promise what is not kept',
}

function prefixOf(name: string): string {
  return name.slice(0, name.indexOf('_'))
}

const BASIC: Readonly<
  Record<Setting['type'], { readonly what: string; readonly read: (value: unknown) => unknown }>
> = {
  string: { what: 'a string', read: (value) => (typeof value === 'string' ? value : undefined) },
  int: {
    what: 'a whole number',
    read: (value) => (Number.isSafeInteger(value) ? value : undefined),
  },
  float: { what: 'a number', read: (value) => (isNumber(value) ? value : undefined) },
  seconds: { what: 'a number of seconds, or a duration', read: secondsOf },
  bool: {
    what: 'true or false',
    read: (value) => (typeof value === 'boolean' ? value : undefined),
  },
  list: { what: 'a list of strings', read: strings },
  dict: {
    what: 'an object',
    read: (value) => (typeof value === 'object' && !Array.isArray(value) ? value : undefined),
  },
  any: { what: 'a value', read: (value) => value },
}

function basic(setting: Setting, given: string, value: unknown): unknown {
  const { what, read } = BASIC[setting.type]
  const result = read(value)
  if (result === undefined) {
    throw new ImproperlyConfigured(`setting '${given}' must be ${what}, not ${typeName(value)}`)
  }
  return result
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && !Number.isNaN(value)
}

function strings(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) return undefined
  return [...value]
}

type Get = (name: SettingName) => unknown

/**
 * What stands in for a setting that was not given, or goes before what was.
 *
 * @see celery 5.6, app/utils.py, `Settings`: the environment goes before the configuration
 */
const DERIVED: Partial<Record<SettingName, (set: unknown, get: Get, env: Environment) => unknown>> =
  {
    broker_url: (set, _, env) => env['CELERY_BROKER_URL'] || set || 'memory://',
    broker_read_url: (set, get, env) => env['CELERY_BROKER_READ_URL'] || set || get('broker_url'),
    broker_write_url: (set, get, env) => env['CELERY_BROKER_WRITE_URL'] || set || get('broker_url'),
    result_backend: (set, get, env) =>
      env['CELERY_RESULT_BACKEND'] || (set ?? (isMemory(get('broker_url')) ? 'memory://' : null)),
    result_accept_content: (set, get) => set ?? get('accept_content'),
    task_default_exchange: (set, get) => set ?? get('task_default_queue'),
    task_default_routing_key: (set, get) => set ?? get('task_default_queue'),
    timezone: (set, get) => set ?? (get('enable_utc') === true ? 'UTC' : localZone()),
  }

/** A broker inside this process has its results there too, so that an app without settings works. */
function isMemory(url: unknown): boolean {
  return typeof url === 'string' && url.startsWith('memory://')
}

function localZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** The settings of one app: what it was made with, over what was configured, over the defaults. */
export class Configuration {
  /** Read and written as properties in camelCase. */
  readonly conf: Conf
  readonly #env: Environment
  readonly #onChange: (name: SettingName) => void
  readonly #changes = new Map<SettingName, unknown>()
  readonly #configured = new Map<SettingName, unknown>()
  readonly #resolved = new Map<SettingName, unknown>()

  constructor(env: Environment, onChange: (name: SettingName) => void) {
    this.#env = env
    this.#onChange = onChange
    this.conf = this.#properties()
  }

  /**
   * What the constructor was given (`change`) goes before what comes from objects and files.
   *
   * @see celery 5.6, app/utils.py, `detect_settings`
   * @returns the names that have no effect
   */
  update(
    source: object,
    layer: 'change' | 'configure',
    options?: ConfigOptions,
  ): readonly string[] {
    const { values, ignored } = readSettings(source, options)
    for (const name of values.keys()) this.#onChange(name)
    const target = layer === 'change' ? this.#changes : this.#configured
    for (const [name, value] of values) target.set(name, value)
    this.#resolved.clear()
    return ignored
  }

  /** Whether it was configured from an object that says something. */
  get hasSource(): boolean {
    return this.#configured.size > 0
  }

  /** The names of what is not a default. */
  given(): readonly SettingName[] {
    return NAMES.filter((name) => this.#changes.has(name) || this.#configured.has(name))
  }

  readonly #get = (name: SettingName): unknown => {
    if (this.#resolved.has(name)) return this.#resolved.get(name)
    const set = this.#changes.has(name) ? this.#changes.get(name) : this.#configured.get(name)
    const derive = DERIVED[name]
    const value =
      derive === undefined
        ? (set ?? (this.#isSet(name) ? set : SETTINGS[name].default))
        : derive(set, this.#get, this.#env)
    this.#resolved.set(name, value)
    return value
  }

  #isSet(name: SettingName): boolean {
    return this.#changes.has(name) || this.#configured.has(name)
  }

  #set(name: SettingName, value: unknown): void {
    const read = readValue(name, camelCase(name), value)
    this.#onChange(name)
    this.#changes.set(name, read)
    this.#resolved.clear()
  }

  #properties(): Conf {
    const properties = Object.fromEntries(
      NAMES.map((name) => [
        camelCase(name),
        {
          enumerable: true,
          get: (): unknown => this.#get(name),
          set: (value: unknown): void => this.#set(name, value),
        },
      ]),
    )
    return Object.preventExtensions(Object.defineProperties({}, properties)) as Conf
  }
}
