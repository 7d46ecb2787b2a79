/** Redis as a broker: the contract of all transports, on a real server. */

import { Redis } from 'ioredis'
import { RedisTransport } from '../../src/transports/redis/transport.ts'
import { transportContract, type TransportUnderTest } from '../contracts/transport.ts'
import { redisUrl } from '../support/services.ts'
import { OPTIONS } from './redis/support.ts'

const UNABLE = {
  'keeps hostile header names as plain own keys':
    'the envelope is JSON, whose reader refuses a __proto__ key: such a message goes to the dead list',
  'refuses a passive queue that is not there, and goes on':
    'a queue of Redis is there as soon as something is in it',
}

const make = async (): Promise<TransportUnderTest> => {
  const url = await redisUrl()
  return {
    transport: new RedisTransport(url, OPTIONS),
    breakConnections: async () => {
      const admin = new Redis(url)
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      admin.disconnect()
    },
    cleanup: async () => {},
  }
}

transportContract('Redis', make, { unable: UNABLE })
