/** What a pickle may name: the classes that it is read as, each from the arguments that Python pickles. */

import { DecodeError } from '../errors.ts'
import { PlainDate, PlainTime, PythonDateTime } from '../python/datetime.ts'
import { Decimal, isDecimalText } from '../python/decimal.ts'
import { isBuiltinException } from '../python/exception-type.ts'
import { Uuid } from '../python/uuid.ts'
import {
  Opaque,
  PickledDict,
  PickledException,
  PickledResult,
  PickledSet,
  PickledUuid,
} from './pickle-values.ts'
import {
  NamedZone,
  offsetOf,
  readNamedZone,
  readPytz,
  readTimedelta,
  readTimezone,
  Timezone,
} from './pickle-zones.ts'

/** A class or a function by its name. It may lie about; what matters is what is made of it. */
export class Global extends Opaque {
  readonly module: string
  readonly name: string
  constructor(module: string, name: string) {
    super()
    this.module = MODULES.get(module) ?? module
    this.name = name
  }

  describe(): string {
    const name = printable(`${this.module}.${this.name}`)
    return `a pickle names ${name}, which celeriac does not read: return plain values`
  }
}

/** Python 2's names, which protocols 0 to 2 keep. @see CPython, Lib/_compat_pickle.py */
const MODULES: ReadonlyMap<string, string> = new Map([
  ['__builtin__', 'builtins'],
  ['exceptions', 'builtins'],
  ['copy_reg', 'copyreg'],
])

function printable(name: string): string {
  return name.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')
}

/** Modules that have nothing but exceptions. */
const EXCEPTION_MODULES: ReadonlySet<string> = new Set([
  'celery.exceptions',
  'kombu.exceptions',
  'billiard.exceptions',
  'amqp.exceptions',
  'redis.exceptions',
])

type Args = readonly unknown[]
type Construct = (args: Args) => unknown

/** @throws DecodeError for what is not in the list, or comes with other arguments than Python's */
export function construct(callable: unknown, args: Args): unknown {
  if (!(callable instanceof Global)) throw new DecodeError('a pickle calls what has no name')
  const { module, name } = callable
  if (isException(module, name)) return new PickledException(module, name, args)
  const known = CONSTRUCTORS.get(`${module}.${name}`)
  if (known === undefined) throw new DecodeError(callable.describe())
  const value = known(args)
  if (value !== undefined) return value
  throw new DecodeError(`a pickle has a ${printable(`${module}.${name}`)} that is none`)
}

/** What is set on a value after it was made. @throws DecodeError */
export function build(value: unknown, state: unknown): unknown {
  if (value instanceof PickledUuid) value.uuid = uuidOfState(state)
  // attributes of exceptions, such as notes; of an OrderedDict, of a group
  if (value instanceof Global) throw new DecodeError(value.describe())
  if (typeof value === 'object' && value !== null) return value
  throw new DecodeError('a pickle sets what has no state')
}

function isException(module: string, name: string): boolean {
  if (module === 'builtins') return isBuiltinException(name)
  return EXCEPTION_MODULES.has(module)
}

const UNPICKLE_ZONE = 'ZoneInfo._unpickle'

const CONSTRUCTORS: ReadonlyMap<string, Construct> = new Map<string, Construct>([
  ['builtins.set', ([items = []]) => (Array.isArray(items) ? new PickledSet(items) : undefined)],
  [
    'builtins.frozenset',
    ([items = []]) => (Array.isArray(items) ? new PickledSet(items) : undefined),
  ],
  ['builtins.list', ([items = []]) => (Array.isArray(items) ? Array.from(items) : undefined)],
  ['builtins.tuple', ([items = []]) => (Array.isArray(items) ? Array.from(items) : undefined)],
  ['builtins.dict', readDict],
  ['builtins.bytes', readBytes],
  ['builtins.bytearray', readBytes],
  ['_codecs.encode', readEncoded],
  ['copyreg._reconstructor', ([callable]) => construct(callable, [])],
  ['copyreg.__newobj__', ([callable, ...args]) => construct(callable, args)],
  ['collections.OrderedDict', readDict],
  // the factory of its defaults is a class, which is passed over
  ['collections.defaultdict', ([, ...items]) => readDict(items)],
  ['collections.Counter', readDict],
  ['collections.deque', ([items = []]) => (Array.isArray(items) ? Array.from(items) : undefined)],
  ['datetime.datetime', readDateTime],
  ['datetime.date', readDate],
  ['datetime.time', readTime],
  ['datetime.timedelta', readTimedelta],
  ['datetime.timezone', readTimezone],
  ['builtins.getattr', readAttribute],
  [`zoneinfo.${UNPICKLE_ZONE}`, readNamedZone],
  ['pytz._p', readPytz],
  ['pytz._UTC', () => new Timezone(0)],
  ['dateutil.tz.tz.tzutc', () => new Timezone(0)],
  ['decimal.Decimal', readDecimal],
  ['uuid.UUID', ([hex, ...more]) => (more.length === 0 ? readUuid(hex) : undefined)],
  ['uuid.SafeUUID', () => null],
  ['celery.result.AsyncResult', ([id, , , , parent = null]) => readResult(id, parent, null)],
  ['celery.result.EagerResult', ([id]) => readResult(id, null, null)],
  [
    'celery.result.GroupResult',
    ([id, members = [], parent = null]) => readResult(id, parent, members),
  ],
  // those that the app has made
  ['celery.app.base._unpickle_appattr', readOfApp],
  // an AsyncResult holds its backend, with the URL and its password in it
  ['celery.backends.base.unpickle_backend', () => null],
  ['celery.utils.serialization.UnpickleableExceptionWrapper', readWrapper],
])

function readDict([given]: Args): unknown {
  if (given === undefined) return new PickledDict()
  if (given instanceof PickledDict) return new PickledDict().update(given.items.flat())
  if (!Array.isArray(given)) return undefined
  const pairs = given as readonly unknown[]
  const isPair = (pair: unknown): boolean => Array.isArray(pair) && pair.length === 2
  return pairs.every(isPair) ? new PickledDict().update(pairs.flat()) : undefined
}

function readBytes([given, encoding]: Args): unknown {
  if (given === undefined) return Buffer.alloc(0)
  if (Buffer.isBuffer(given)) return given
  return encoding === 'latin-1' ? readEncoded([given, 'latin1']) : undefined
}

/** How protocols 0 to 2 spell bytes. */
function readEncoded([text, encoding]: Args): unknown {
  if (typeof text !== 'string' || encoding !== 'latin1') return undefined
  return /[^\0-\xff]/.test(text) ? undefined : Buffer.from(text, 'latin1')
}

/** Python 2 has no bytes apart from its strings. */
function stateBytes(given: unknown, length: number): Buffer | undefined {
  const bytes = typeof given === 'string' ? readEncoded([given, 'latin1']) : given
  return Buffer.isBuffer(bytes) && bytes.length === length ? bytes : undefined
}

/** The highest bit of the third byte tells the second of two equal times of the clock (`fold`). */
const FOLD = 0x7f

/**
 *     year (2 bytes), month, day, hour, minute, second, microsecond (3 bytes), and the time zone
 *
 * @see CPython, Lib/_pydatetime.py, `datetime.__setstate`
 */
function readDateTime([state, zone]: Args): unknown {
  const bytes = stateBytes(state, 10)
  if (bytes === undefined) return undefined
  const [month, day] = [(bytes[2] ?? 0) & FOLD, bytes[3] ?? 0]
  const clock = readClock(bytes.subarray(4))
  const date = attempt(() => new PlainDate(bytes.readUInt16BE(), month, day))
  if (date === undefined || clock === undefined) return undefined
  const wall = new Date(0)
  wall.setUTCFullYear(date.year, date.month - 1, date.day)
  wall.setUTCHours(clock.hour, clock.minute, clock.second, Math.floor(clock.microsecond / 1000))
  const microseconds = clock.microsecond % 1000
  const offset = offsetOf(zone, wall.getTime(), (bytes[2] ?? 0) > FOLD)
  if (offset === null) return undefined
  return new PythonDateTime(wall.getTime() - (offset ?? 0) * 1000, { microseconds, offset })
}

function readDate([state]: Args): unknown {
  const bytes = stateBytes(state, 4)
  if (bytes === undefined) return undefined
  return attempt(() => new PlainDate(bytes.readUInt16BE(), bytes[2] ?? 0, bytes[3] ?? 0))
}

function readTime([state, zone]: Args): unknown {
  const bytes = stateBytes(state, 6)
  // a clock alone has no offset in a zone with summer time
  const offset = zone instanceof NamedZone ? undefined : offsetOf(zone)
  const clock = bytes === undefined || offset === null ? undefined : readClock(bytes)
  if (clock === undefined || offset === null) return undefined
  const { hour, minute, second, microsecond } = clock
  return new PlainTime(hour, minute, second, microsecond, offset)
}

function readClock(bytes: Buffer): PlainTime | undefined {
  const [hour = 0, minute = 0, second = 0] = bytes
  return attempt(() => new PlainTime(hour & FOLD, minute, second, bytes.readUIntBE(3, 3)))
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

/** How `zoneinfo` makes a zone from its name; an Enum finds its member so, too. */
function readAttribute([of, name]: Args): unknown {
  if (!(of instanceof Global)) return undefined
  if (of.module === 'zoneinfo' && `${of.name}.${String(name)}` === UNPICKLE_ZONE) {
    return new Global('zoneinfo', UNPICKLE_ZONE)
  }
  throw new DecodeError(of.describe())
}

function readDecimal([digits]: Args): unknown {
  return typeof digits === 'string' && isDecimalText(digits) ? new Decimal(digits) : undefined
}

/** Without an argument its number comes as its state. */
function readUuid(hex: unknown): unknown {
  if (hex === undefined) return new PickledUuid()
  return typeof hex === 'string' ? attempt(() => new Uuid(hex)) : undefined
}

const UUID_LIMIT = 1n << 128n

function uuidOfState(state: unknown): Uuid {
  const number = state instanceof PickledDict ? state.get('int') : undefined
  if (typeof number === 'bigint' || (typeof number === 'number' && Number.isSafeInteger(number))) {
    const value = BigInt(number)
    if (value >= 0n && value < UUID_LIMIT) return new Uuid(value.toString(16).padStart(32, '0'))
  }
  throw new DecodeError('a pickled UUID has no value')
}

function readResult(id: unknown, parent: unknown, members: unknown): unknown {
  if (typeof id !== 'string') return undefined
  if (members !== null && !Array.isArray(members)) return undefined
  return new PickledResult(id, parent, members)
}

/** @see celery 5.6, app/base.py, `subclass_with_self` */
function readOfApp([name, args]: Args): unknown {
  if (typeof name !== 'string' || !Array.isArray(args)) return undefined
  return construct(new Global('celery.result', name), args)
}

/** An exception that could not be pickled: its module, its class, the reprs of its arguments. */
function readWrapper([module, name, args]: Args): unknown {
  if (typeof module !== 'string' || typeof name !== 'string') return undefined
  return new PickledException(module, name, Array.isArray(args) ? args : [])
}
