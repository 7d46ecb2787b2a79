/** Python's pickle as a serializer: plain values, read as data and never run. */

import { DEFAULT_LIMITS, type Limits } from '../limits.ts'
import { DecodeError, LimitExceeded } from '../errors.ts'
import { isPlainObject } from '../plain.ts'
import { readResultTuple, type ResultTuple } from '../result.ts'
import { unpickle } from './pickle-reader.ts'
import { plainValue, sizeLimit } from './pickle-values.ts'
import { GroupToPickle, pickle as dump } from './pickle-writer.ts'
import type { Serializer } from './serializer.ts'

/**
 * Reads what Python's `pickle.dumps` made of plain values, dates, times, decimals, UUIDs, sets,
 * exceptions and results; of every other class a DecodeError tells the name.
 *
 * @see kombu 5.6, serialization.py, `register_pickle`
 */
export const pickle: Serializer = {
  name: 'pickle',
  contentType: 'application/x-python-serialize',
  contentEncoding: 'binary',
  encode: pickleDumps,
  decode: pickleLoads,
}

/** @throws EncodeError that names where the value lies that cannot be written */
export function pickleDumps(value: unknown): Buffer {
  return dump(value)
}

/** @throws DecodeError, LimitExceeded */
export function pickleLoads(bytes: Buffer, limits: Limits = DEFAULT_LIMITS): unknown {
  if (bytes.length > limits.maxBodyBytes) {
    throw new LimitExceeded(`a pickle of ${bytes.length} bytes is over ${limits.maxBodyBytes}`)
  }
  return plainValue(unpickle(bytes, sizeLimit(limits)), limits)
}

/** A group as Python's `GroupResult.save()` keeps it in a database. */
export function pickleGroup(group: ResultTuple): Buffer {
  return dump(new GroupToPickle(group))
}

/** @throws DecodeError, LimitExceeded */
export function unpickleGroup(bytes: Buffer, limits: Limits = DEFAULT_LIMITS): ResultTuple {
  const value = pickleLoads(bytes, limits)
  if (isPlainObject(value)) throw new DecodeError('a pickled group is none')
  return readResultTuple(value)
}
