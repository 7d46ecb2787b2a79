/** The header that counts how often a run of a message has died. */

import type { Message } from '../../protocol/message.ts'

/** Not that of quorum queues, which also count what was given back before it ran. */
export const DELIVERY_COUNT = 'x-celeriac-delivery-count'

/** 0 when it was never counted, or when what stands there is no count. */
export function deliveryCountOf({ headers }: Pick<Message, 'headers'>): number {
  const count = Object.hasOwn(headers, DELIVERY_COUNT) ? headers[DELIVERY_COUNT] : 0
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : 0
}

/** The message as it goes back after one more of its runs has died. */
export function counted(message: Message): Message {
  return {
    ...message,
    headers: { ...message.headers, [DELIVERY_COUNT]: deliveryCountOf(message) + 1 },
  }
}

/** The message as it goes back after a run that was fine. */
export function uncounted(message: Message): Message {
  if (!Object.hasOwn(message.headers, DELIVERY_COUNT)) return message
  const { [DELIVERY_COUNT]: _count, ...headers } = message.headers
  return { ...message, headers }
}
