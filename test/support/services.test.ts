/** Whether the servers that all other tests rely on do what they say. */

import { Redis } from 'ioredis'
import { expect } from 'chai'
import { amqpUrl, redisUrl } from './services.ts'

describe('the services of the tests', () => {
  it('gives each caller an empty Redis database of its own', async () => {
    const [one, two] = [await redisUrl(), await redisUrl()]
    const client = new Redis(one)
    try {
      expect(await client.dbsize()).to.equal(0)
      expect(process.env['CELERIAC_TEST_REDIS_URL'] ?? one).to.not.equal(two)
    } finally {
      client.disconnect()
    }
  })

  it('gives each caller a vhost of its own', async () => {
    const [one, two] = [await amqpUrl(), await amqpUrl()]
    expect(process.env['CELERIAC_TEST_AMQP_URL'] ?? one).to.not.equal(two)
  }).timeout(60_000)
})
