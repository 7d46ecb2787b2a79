/** Redis as a broker: the contract of all transports, on a real server. */

import { Redis } from 'ioredis'
import { RedisTransport } from '../../src/transports/redis/transport.ts'
import { transportContract } from '../contracts/transport.ts'
import { redisUrl } from '../support/services.ts'
import { OPTIONS } from './redis/support.ts'

transportContract('Redis', async () => {
  const url = await redisUrl()
  return {
    transport: new RedisTransport(url, OPTIONS),
    breakConnections: async () => {
      const admin = new Redis(url)
      await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      admin.disconnect()
    },
    cleanup: async () => {},
  }
})
