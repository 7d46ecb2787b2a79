/** Whether results that nobody asks for cost nothing. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { Celery } from '../../src/app/celery.ts'
import { SILENT } from '../../src/runtime/log.ts'

const SENDS = 20_000
const AT_ONCE = 200

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Bytes that are left when all garbage is gone. */
function heap(): number {
  gc()
  gc()
  return process.memoryUsage().heapUsed
}

describe('a client that sends and never asks for a result', () => {
  for (const resultBackend of ['redis://127.0.0.1:1/', 'rpc://']) {
    it(`keeps nothing of what it sent, with results by ${resultBackend}`, async () => {
      const brokerUrl = `memory://sends-${resultBackend.length}`
      const settings = { brokerUrl, resultBackend }
      const app = new Celery('sends', settings, { logger: SILENT, env: {} })
      const connection = app.connectionForRead()
      const channel = await connection.channel()
      const send = async (count: number): Promise<void> => {
        for (let sent = 0; sent < count; sent += AT_ONCE) {
          await Promise.all(Array.from({ length: AT_ONCE }, () => app.sendTask('x', [sent])))
          await channel.purge('celery')
        }
      }
      await send(SENDS / 4)
      const before = heap()
      await send(SENDS)
      // an id alone takes more than a hundred bytes
      expect((heap() - before) / SENDS).to.be.below(100)
      await connection.close()
      await app.close()
    }).timeout(60_000)
  }
})
