/** What an app of a test has sent, as it lies in its queue. */

import type { Celery } from '../../src/celery.ts'
import type { Delivery } from '../../src/messaging/transport.ts'

/** Takes one message from a queue; undefined when it is empty. */
export async function take(app: Celery, queue = 'celery'): Promise<Delivery | undefined> {
  const connection = app.connectionForRead()
  try {
    const channel = await connection.channel()
    await channel.declareQueue(app.queues.get(queue))
    return await channel.get(queue, { noAck: true })
  } finally {
    await connection.close()
  }
}

export async function sent(app: Celery, queue?: string): Promise<Delivery> {
  const delivery = await take(app, queue)
  if (delivery === undefined) throw new Error(`nothing was sent to '${queue ?? 'celery'}'`)
  return delivery
}
