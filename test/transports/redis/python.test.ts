/** What a TypeScript worker has put aside on Redis until its time comes back by a Python worker, too. */

import { expect } from 'chai'
import { randomUUID } from 'node:crypto'
import { PythonClient } from '../../../interop/harness.ts'
import { celeries, PAIRINGS } from '../../../interop/matrix.ts'
import { RedisTransport } from '../../../src/transports/redis/transport.ts'
import { message } from '../../contracts/transport.ts'
import { until } from '../../support/until.ts'
import { OPTIONS } from './support.ts'

/** Celery looks for such each hundred seconds; here it is asked to. What it then has in the queue. */
const LOOK = [
  'c := app.connection().default_channel',
  'c.qos.restore_visible(interval=1)',
  "m := c.basic_get('node', no_ack=True)",
  "m and [m.headers['id'], m.payload, m.delivery_info['routing_key']]",
]

describe('what was postponed on Redis', function () {
  this.timeout(60_000)

  for (const celery of celeries()) {
    it(`is given back by Python ${celery.version}, not before its time`, async () => {
      const surroundings = await PAIRINGS[0]?.open()
      if (surroundings === undefined) throw new Error('no Redis')
      const connection = await new RedisTransport(surroundings.broker, OPTIONS).connect()
      const client = new PythonClient(celery, surroundings)
      try {
        const channel = await connection.channel()
        const id = randomUUID()
        const sent = message('[1, "é"]', { headers: { id } })
        await channel.publish(sent, { exchange: '', routingKey: 'node' })
        const delivery = await until(() => channel.get('node'))
        const due = Date.now() + 2000
        await delivery.postpone(due)
        await connection.close()
        const look = async (): Promise<unknown> =>
          (await client.eval(`[${LOOK.join(', ')}][-1]`)).value ?? undefined
        const found = await until(look, { seconds: 30 })
        expect(Date.now()).to.be.at.least(due)
        expect(found).to.deep.equal([id, [1, 'é'], 'node'])
        expect(await look()).to.equal(undefined)
      } finally {
        await connection.close()
        await client.stop()
      }
    })
  }
})
