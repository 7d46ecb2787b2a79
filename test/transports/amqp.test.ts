/** RabbitMQ as a broker, on a real server. */

import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { AmqpTransport } from '../../src/transports/amqp/transport.ts'
import { transportContract } from '../contracts/transport.ts'
import { amqpUrl } from '../support/services.ts'

const OPTIONS = {
  connectTimeout: 4,
  heartbeat: 120,
  transportOptions: {},
  limits: DEFAULT_LIMITS,
  logger: SILENT,
}

transportContract('RabbitMQ', async () => ({
  transport: new AmqpTransport(await amqpUrl(), OPTIONS),
  cleanup: async () => {},
}))
