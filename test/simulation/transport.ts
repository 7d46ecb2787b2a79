/** The simulated transport: opens connections to the simulated broker. */

import { OperationalError } from '../../src/errors.ts'
import type { Capabilities, Transport, TransportConnection } from '../../src/messaging/transport.ts'
import { reasonOf } from '../../src/runtime/retry.ts'
import { SimConnection, type SimTransportOptions } from './connection.ts'
import type { Flavour } from './copy.ts'

const CAPABILITIES: Readonly<Record<Flavour, Capabilities>> = {
  amqp: {
    driver: 'amqp',
    lowPriorityFirst: false,
    mandatory: true,
    // seconds, not half an hour, so that an eta gets beyond it
    holdLimit: 8,
  },
  redis: {
    driver: 'redis',
    lowPriorityFirst: true,
    mandatory: false,
    holdLimit: Infinity,
  },
}

export class SimTransport implements Transport {
  readonly capabilities: Capabilities
  readonly address = 'sim://broker'
  readonly #options: SimTransportOptions

  constructor(options: SimTransportOptions) {
    this.#options = options
    this.capabilities = CAPABILITIES[options.broker.flavour]
  }

  connect(signal?: AbortSignal): Promise<TransportConnection> {
    const { world, actor, broker, refuses, connections } = this.#options
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(reasonOf(signal))
      signal?.addEventListener('abort', onAbort, { once: true })
      const answers = world.wire(actor)
      world.wire(world.fate).push(`${actor.name} connects`, () => {
        if (refuses()) {
          const refused = new OperationalError('the simulated broker refuses connections')
          return answers.push('refused', () => {
            signal?.removeEventListener('abort', onAbort)
            reject(refused)
          })
        }
        broker.adopt(actor)
        answers.push('connected', () => {
          signal?.removeEventListener('abort', onAbort)
          const connection = new SimConnection(this.#options)
          connections.add(connection)
          resolve(connection)
        })
      })
    })
  }
}
