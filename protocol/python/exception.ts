/** An exception as type, module and arguments on the wire, both ways. */

import type { ExceptionDict } from '../result.ts'
import { dumps } from '../serialization/json.ts'
import { exceptionArgs, exceptionType, read, type ExceptionType } from './exception-type.ts'
import { repr } from './repr.ts'
import { itemAt } from './shape.ts'

export { exceptionRepr } from './repr.ts'
export { formatTraceback } from './traceback.ts'

/** What a backend stored of an exception. */
export interface DecodedException extends ExceptionType {
  readonly args: readonly unknown[]
}

/** No exception has more arguments than this; what goes beyond is a list by mistake. */
const MAX_ARGS = 1000
const MAX_NAME = 256

/**
 * Any thrown value as Celery stores it. An argument that `encode` refuses goes as its repr; an
 * `encode` that throws for every value still leaves strings.
 *
 * @param encode the result serializer's encoder; only whether it throws matters
 * @see celery 5.6, backends/base.py, `Backend.prepare_exception`
 * @see celery 5.6, utils/serialization.py, `ensure_serializable`
 */
export function encodeException(
  error: unknown,
  encode: (value: unknown) => unknown = dumps,
): ExceptionDict {
  const { type, module } = exceptionType(error)
  const args = exceptionArgs(error)
  const items = Array.from({ length: Math.min(args.length, MAX_ARGS) }, (_, i) => itemAt(args, i))
  return {
    exc_type: type,
    exc_message: items.map((item) => ensureSerializable(item, encode)),
    exc_module: module,
  }
}

/**
 * The stored exception as plain facts: names are strings and nothing is looked up by them. What is
 * not an exception dict becomes the argument of an `Exception`.
 *
 * @see celery 5.6, backends/base.py, `Backend.exception_to_python`; CVE-2021-23727
 */
export function decodeException(value: unknown): DecodedException {
  const type = read(value, 'exc_type')
  if (typeof type !== 'string')
    return { type: 'Exception', module: 'builtins', args: argsOf(value) }
  const module = read(value, 'exc_module')
  return {
    type: type.slice(0, MAX_NAME),
    module: typeof module === 'string' ? module.slice(0, MAX_NAME) : null,
    args: argsOf(read(value, 'exc_message')),
  }
}

/** The message is a list of arguments, or, from other writers, the one argument itself. */
function argsOf(message: unknown): readonly unknown[] {
  if (Array.isArray(message)) return message
  return message === undefined || message === null ? [] : [message]
}

function ensureSerializable(value: unknown, encode: (value: unknown) => unknown): unknown {
  try {
    encode(value)
    return value
  } catch {
    return repr(value)
  }
}
