/** Which Python exception class a JavaScript error stands for, and with which arguments. */

import { CeleryError } from '../errors.ts'

export interface ExceptionType {
  readonly type: string
  /** Null when the sender named none. */
  readonly module: string | null
}

/** The module of an error that Python has no class for. Python makes one of its own of that name. */
export const JAVASCRIPT = 'javascript'

const MAX_NAME = 256
const MAX_DEPTH = 8
/** No NUL, control character or lone surrogate: Python's `type()` refuses such a name. */
const NAME = /^[^\p{Cc}\p{Cs}]+$/u

/**
 * Python's built-in subclasses of `Exception`. Not those of `BaseException` alone, such as
 * `SystemExit`: raised by `get()`, they would end the caller's process.
 */
const BUILTINS: ReadonlySet<string> = new Set(
  `ArithmeticError AssertionError AttributeError BlockingIOError BrokenPipeError BufferError
  BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError
  ConnectionResetError DeprecationWarning EOFError EncodingWarning EnvironmentError Exception
  FileExistsError FileNotFoundError FloatingPointError FutureWarning IOError ImportError
  ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError
  LookupError MemoryError ModuleNotFoundError NameError NotADirectoryError NotImplementedError
  OSError OverflowError PendingDeprecationWarning PermissionError ProcessLookupError
  RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration
  StopIteration SyntaxError SyntaxWarning SystemError TabError TimeoutError TypeError
  UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError
  UnicodeWarning UserWarning ValueError Warning ZeroDivisionError`.split(/\s+/),
)

/** Where Python keeps the classes that celeriac's own errors are named after. */
const CELERY_MODULES: ReadonlyMap<string, string> = new Map([
  ['ContentDisallowed', 'kombu.exceptions'],
  ['DecodeError', 'kombu.exceptions'],
  ['EncodeError', 'kombu.exceptions'],
  ['OperationalError', 'kombu.exceptions'],
  ['ImproperlyConfigured', 'celery.exceptions'],
  ['InvalidTaskError', 'celery.exceptions'],
  ['NotRegistered', 'celery.exceptions'],
  ['QueueNotFound', 'celery.exceptions'],
  ['TimeoutError', 'celery.exceptions'],
])

/**
 * The class by the error's own `excType` and `excModule` when it carries them, else by its name.
 * A plain `Error` is an `Exception`; a name that Python has built in is that class; any other keeps
 * its name in the module {@link JAVASCRIPT}. Never throws, whatever was thrown.
 */
export function exceptionType(error: unknown): ExceptionType {
  if (!isError(error)) return { type: 'Exception', module: 'builtins' }
  const type = validName(read(error, 'excType')) ?? errorName(error)
  const module = read(error, 'excModule')
  if (module === null && read(error, 'excType') === type) return { type, module }
  return { type, module: validName(module) ?? moduleOf(error, type) }
}

/** The arguments of the exception: its own `args`, else its message; a thrown value is its own. */
export function exceptionArgs(error: unknown): readonly unknown[] {
  if (!isError(error)) return [error ?? null]
  const args = read(error, 'args')
  if (isArray(args)) return args
  const message = exceptionMessage(error)
  return message === '' ? [] : [message]
}

/** The message as a string; '' when there is none that can be read. */
export function exceptionMessage(error: unknown): string {
  const message = read(error, 'message')
  return typeof message === 'string' ? message : ''
}

export function isError(value: unknown): boolean {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
  } catch {
    return false
  }
}

/** A member of a stranger's value; undefined when it has none, or when reading it throws. */
export function read(value: unknown, key: string): unknown {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return undefined
  try {
    return Reflect.get(value, key)
  } catch {
    return undefined
  }
}

function errorName(error: unknown): string {
  const name = validName(read(error, 'name')) ?? 'Error'
  if (name !== 'Error') return name
  // A class that extends Error and sets no name of its own.
  const className = validName(read(read(error, 'constructor'), 'name')) ?? 'Error'
  return className === 'Error' ? 'Exception' : className
}

/** Whether Python has an exception of that name built in. */
export function isBuiltinException(name: string): boolean {
  return BUILTINS.has(name)
}

function moduleOf(error: unknown, type: string): string {
  const celery = error instanceof CeleryError ? CELERY_MODULES.get(type) : undefined
  return celery ?? (BUILTINS.has(type) ? 'builtins' : JAVASCRIPT)
}

function validName(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_NAME || !NAME.test(value)) return undefined
  return value.split('.').length > MAX_DEPTH ? undefined : value
}

function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}
