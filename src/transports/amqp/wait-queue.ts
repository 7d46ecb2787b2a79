/** The queues in which messages wait for their time: a message expires there, and dead-letters to where it came from. */

import type { Queue } from '../../messaging/entity.ts'

const PREFIX = 'celeriac.wait.'

/**
 * Seconds that a message of a quorum queue waits in a queue of each level. They stay for good, so that there
 * are few: it goes from one to the next until its time has come, an hour in ten steps or so.
 */
const LEVELS = [16_384, 4096, 1024, 256, 64, 16, 4, 1] as const

/** Those of a classic queue go away when they are not used: one for each digit of the time that is left. */
const BASE = 16
const MOST_DIGITS = 4

/** The longest wait that ends in time; a second, when there is less left than that. */
function levelFor(waitMs: number): number {
  return LEVELS.find((seconds) => seconds * 1000 <= waitMs) ?? 1
}

/** The first digit, the others being 0: an hour takes three steps at most, a month some fifty. */
function digitFor(waitMs: number): number {
  const seconds = Math.max(1, Math.floor(waitMs / 1000))
  const digits = Math.min(MOST_DIGITS, seconds.toString(BASE).length)
  const unit = BASE ** (digits - 1)
  return Math.min(BASE - 1, Math.floor(seconds / unit)) * unit
}

/**
 * Where a message of `target` waits for so long, or somewhat less.
 *
 * A classic queue deletes itself when it is not declared for longer than any message waits in it.
 * A quorum queue would be deleted with the messages in it, because declaring it again does not count
 * as use: it stays.
 *
 * @see https://github.com/rabbitmq/rabbitmq-server/issues/5894
 */
export function waitQueue(target: string, waitMs: number, quorum: boolean): Queue {
  const seconds = quorum ? levelFor(waitMs) : digitFor(waitMs)
  const kind = quorum ? QUORUM : { ...CLASSIC, 'x-expires': (2 * seconds + 60) * 1000 }
  return {
    name: `${PREFIX}${target}.${seconds}${quorum ? '.quorum' : ''}`,
    bindings: [],
    arguments: {
      ...kind,
      'x-message-ttl': seconds * 1000,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': target,
    },
  }
}

/** Named, because a vhost may have another default type. */
const CLASSIC = { 'x-queue-type': 'classic' } as const

/** Nothing leaves before the target has it. @see https://www.rabbitmq.com/docs/quorum-queues#dead-lettering */
const QUORUM = {
  'x-queue-type': 'quorum',
  'x-dead-letter-strategy': 'at-least-once',
  'x-overflow': 'reject-publish',
} as const

/** Seconds after which a wait queue has to be declared again: less than a level's surplus of life. */
export const DECLARED_FOR = 20

export function isWaitQueue(name: unknown): boolean {
  return typeof name === 'string' && name.startsWith(PREFIX)
}
