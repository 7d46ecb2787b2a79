/** The broker inside the process. */

import { expect } from 'chai'
import { MemoryTransport } from '../../src/transports/memory/transport.ts'
import { directQueue } from '../../src/messaging/entity.ts'
import { Inbox, message, text, transportContract } from '../contracts/transport.ts'

transportContract('memory', async () => {
  const transport = new MemoryTransport('memory://contract')
  return {
    transport,
    breakConnections: () => transport.breakConnections(),
    cleanup: async () => {},
  }
})

describe('the memory transport', () => {
  it('lets all who name the same broker meet, and nobody else', async () => {
    const one = await (await new MemoryTransport('memory://meet').connect()).channel()
    const two = await (await new MemoryTransport('memory://meet').connect()).channel()
    const other = await (await new MemoryTransport('memory://apart').connect()).channel()
    for (const channel of [one, other]) await channel.declareQueue(directQueue('q'))
    await two.publish(message('hello'), { exchange: '', routingKey: 'q' })
    expect(await other.get('q')).to.equal(undefined)
    const delivery = await one.get('q')
    expect(delivery && text(delivery)).to.equal('hello')
  })

  it('drops a message whose expiration has passed', async () => {
    const channel = await (await new MemoryTransport('memory://expiry').connect()).channel()
    await channel.declareQueue(directQueue('q'))
    const expired = message('late', { properties: { expiration: '0' } })
    await channel.publish(expired, { exchange: '', routingKey: 'q' })
    await channel.publish(message('fresh'), { exchange: '', routingKey: 'q' })
    const inbox = new Inbox()
    await channel.consume('q', inbox.push)
    expect(text(await inbox.next())).to.equal('fresh')
  })

  it('deletes an auto-delete queue when its last consumer leaves', async () => {
    const connection = await new MemoryTransport('memory://auto-delete').connect()
    const channel = await connection.channel()
    await channel.declareQueue({ name: 'q', bindings: [], autoDelete: true })
    const consumption = await channel.consume('q', () => {})
    await consumption.cancel()
    const error: unknown = await channel.get('q').catch((caught: unknown) => caught)
    expect(error).to.have.property('code', 'ERR_QUEUE_NOT_FOUND')
  })
})
