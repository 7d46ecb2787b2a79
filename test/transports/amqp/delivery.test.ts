/** Deliveries from RabbitMQ whose copies cannot be sent. */

import { expect } from 'chai'
import type { ConsumeMessage } from 'amqplib'
import { LeaseLostError, OperationalError } from '../../../src/errors.ts'
import { AmqpDelivery, type Origin } from '../../../src/transports/amqp/delivery.ts'
import { rejection } from '../../contracts/transport.ts'

const RAW = {
  fields: { deliveryTag: 1, redelivered: true, exchange: '', routingKey: 'q' },
  properties: { headers: {}, properties: {} },
  content: Buffer.from('x'),
} as unknown as ConsumeMessage

describe('a delivery from RabbitMQ whose copy cannot be sent', () => {
  let channel: { number: number; open: boolean; reason: Error | undefined }
  let requeued: number
  let delivery: AmqpDelivery

  beforeEach(() => {
    channel = { number: 1, open: true, reason: undefined }
    requeued = 0
    const link = { lost: undefined, frames: { requeue: () => (requeued += 1) } }
    const blocked = (): Promise<void> => Promise.reject(new OperationalError('an alarm'))
    const origin = { link, outbox: { resend: blocked }, channel, queue: 'q', noAck: false }
    delivery = new AmqpDelivery(origin as unknown as Origin, RAW)
  })

  it('goes back as it is, but not at once: it would come again at once, and so on', async () => {
    const since = performance.now()
    await delivery.requeue({ counted: true })
    expect(performance.now() - since).to.be.at.least(900)
    expect(requeued).to.equal(1)
  })

  it('does not go back when it is not ours any more', async () => {
    channel.open = false
    expect(await rejection(delivery.requeue({ counted: true }))).to.be.instanceOf(LeaseLostError)
    expect(requeued).to.equal(0)
  })
})
