/** How results lie in a key/value store: their keys, their bytes, and how long they stay. */

import {
  ContentDisallowed,
  DecodeError,
  LimitExceeded,
  type CeleryError,
} from '../../protocol/errors.ts'
import { resultLimits } from '../../protocol/limits.ts'
import { decodeMeta, encodeMeta, type ResultMeta } from '../../protocol/result.ts'
import { PENDING } from '../../protocol/states.ts'
import { resultKeys, type ResultKeys } from '../../protocol/virtual/redis-keys.ts'
import type { BackendDeps } from './deps.ts'

export interface KeyValue {
  readonly keys: ResultKeys
  /** Whole seconds; 0 is for ever. */
  readonly expires: number
  /** @throws EncodeError when the serializer cannot write it */
  encode(meta: ResultMeta): Buffer
  /** @throws DecodeError, ContentDisallowed */
  decode(raw: Buffer, taskId: string): ResultMeta
  /** Any value, by the same serializer. */
  dumps(value: unknown): Buffer
  loads(raw: Buffer): unknown
}

/**
 * A stored value does not tell its serializer: who reads must know `result_serializer`.
 *
 * @see celery 5.6, backends/base.py, `BaseKeyValueStoreBackend`
 */
export function keyValue(deps: BackendDeps): KeyValue {
  const { serializers } = deps.codec
  const limits = resultLimits(deps.codec.limits)
  const { contentType, contentEncoding } = serializers.get(deps.resultSerializer)
  const prefix = deps.transportOptions['globalKeyprefix']
  const dumps = (value: unknown): Buffer => serializers.dumps(value, deps.resultSerializer).body
  const loads = (body: Buffer): unknown =>
    serializers.loads({ body, contentType, contentEncoding }, deps.accept, limits)
  return {
    keys: resultKeys(typeof prefix === 'string' ? prefix : ''),
    expires: Math.max(0, Math.trunc(deps.resultExpires ?? 0)),
    encode: (meta) => dumps(encodeMeta(meta)),
    decode: (body, taskId) => decodeMeta(loads(body), taskId),
    dumps,
    loads,
  }
}

/** What is said of a task that nobody stored. */
export function pendingMeta(taskId: string): ResultMeta {
  return {
    taskId,
    status: PENDING,
    result: null,
    traceback: null,
    children: null,
    dateDone: null,
  }
}

/** The error that a waiting caller gets for bytes that cannot be read. */
export function unreadable(taskId: string, error: unknown): CeleryError {
  if ([ContentDisallowed, DecodeError, LimitExceeded].some((type) => error instanceof type)) {
    return error as CeleryError
  }
  const message = `the stored result of task ${taskId} cannot be read: is result_serializer the same everywhere?`
  return new DecodeError(message, { cause: error })
}
