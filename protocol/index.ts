/** The public face of the codec: for whoever checks messages of Celery, or makes them, without a broker. */

// A message as every transport carries it.
export type { DeliveryMode, Headers, Message, Properties } from './message.ts'

// Task messages of version 1, version 2 and the hybrid of both.
export { decodeTask, peekTask, type TaskPeek } from './task/decode.ts'
export { encodeTask, type EncodeBodyOptions, type EncodeTaskOptions } from './task/encode.ts'
export {
  NO_EMBED,
  type Embed,
  type TaskBody,
  type TaskHeaders,
  type TaskMessage,
} from './task/task-message.ts'

// Any other message: its body in and out of a serializer and a compression.
export { decodeBody } from './task/decode.ts'
export { encodeBody } from './task/encode.ts'

// Signatures: calls not yet made.
export { MAX_SIGNATURE_DEPTH, readSignature, signature, type SignatureDict } from './signature.ts'

// Results: what a backend stores of tasks, groups and the parts of chords.
export {
  decodeChordPart,
  decodeGroupMeta,
  decodeMeta,
  encodeChordPart,
  encodeGroupMeta,
  encodeMeta,
  encodeRpcMeta,
  readResultTuple,
  resultTuple,
  type ChordPart,
  type ExceptionDict,
  type ExtendedMeta,
  type ResultMeta,
  type ResultTuple,
} from './result.ts'

// Remote control: requests to workers and their replies.
export {
  decodePidboxReply,
  decodePidboxRequest,
  encodePidboxReply,
  encodePidboxRequest,
  pidboxClock,
  type PidboxOptions,
  type PidboxReply,
  type PidboxRequest,
  type PidboxRequestOptions,
  type ReplyAddress,
} from './pidbox.ts'
export { revokeArguments } from './remote-commands.ts'

// States of a task.
export * from './states.ts'

// Serializers, compressions and the limits on what is read.
export { createCodec, type Codec } from './codec.ts'
export { DEFAULT_LIMITS, type Limits } from './limits.ts'
export { SerializerRegistry, type Content } from './serialization/registry.ts'
export type { Serializer } from './serialization/serializer.ts'
export { dumps, loads } from './serialization/json.ts'
export { pickleDumps, pickleGroup, pickleLoads, unpickleGroup } from './serialization/pickle.ts'
export { CompressionRegistry, type Compression } from './compression.ts'

// Values of Python that JavaScript does not have.
export {
  isoformat,
  parseIsoformat,
  PlainDate,
  PlainTime,
  PythonDateTime,
  type PythonDateTimeOptions,
} from './python/datetime.ts'
export { Decimal } from './python/decimal.ts'
export { Uuid } from './python/uuid.ts'

// How Python spells values and exceptions.
export { repr, reprArgs, reprKwargs, saferepr } from './python/repr.ts'
export {
  decodeException,
  encodeException,
  exceptionRepr,
  formatTraceback,
  type DecodedException,
} from './python/exception.ts'

// kombu's virtual broker on Redis: envelopes, exchanges and keys.
export {
  decodeEnvelope,
  encodeEnvelope,
  type Envelope,
  type EnvelopeAddress,
} from './virtual/envelope.ts'
export {
  decodeUnacked,
  encodeUnacked,
  markRedelivered,
  type UnackedRecord,
} from './virtual/unacked.ts'
export {
  lookup,
  topicPattern,
  type VirtualBinding,
  type VirtualExchangeType,
} from './virtual/exchange.ts'
export {
  priorityStep,
  PRIORITY_STEPS,
  redisKeys,
  resultKeys,
  SEPARATOR,
  UNACKED_MUTEX_EXPIRE,
  VISIBILITY_TIMEOUT,
  type BindingMember,
  type RedisKeyOptions,
  type RedisKeys,
  type ResultKeys,
} from './virtual/redis-keys.ts'

// Errors: one family, told apart by `code`.
export * from './errors.ts'
