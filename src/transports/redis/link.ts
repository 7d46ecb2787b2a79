/** What the channels of one Redis connection share. */

import type { Limits } from '../../../protocol/limits.ts'
import type { Redis } from '../../redis.ts'
import type { Logger } from '../../runtime/log.ts'
import type { Bindings } from './bindings.ts'
import type { Subscriber } from './fanout.ts'
import type { RedisTransportSettings } from './options.ts'
import type { Ownership } from './owner.ts'
import type { Publisher } from './publisher.ts'
import type { Unacked } from './unacked.ts'

export interface RedisLink {
  readonly client: Redis
  readonly settings: RedisTransportSettings
  readonly limits: Limits
  readonly logger: Logger
  readonly address: string
  readonly bindings: Bindings
  readonly publisher: Publisher
  readonly unacked: Unacked
  readonly ownership: Ownership
  /** Whether the server tells when a list was changed. */
  readonly told: boolean
  /** Why the connection is over; undefined while it is not. */
  readonly lost: Error | undefined
  /** The subscribed connection; opened by the first who asks. */
  subscriber(): Promise<Subscriber>
  /** The connection cannot be used any more. */
  fail(error: unknown): void
}
