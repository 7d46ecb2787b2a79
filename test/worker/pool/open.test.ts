/** Which pool a name and a concurrency come to. */

import { expect } from 'chai'
import { availableParallelism } from 'node:os'
import { SILENT } from '../../../src/runtime/log.ts'
import { createTestApp } from '../../../src/testing.ts'
import type { ChildrenContext, ChildrenOptions } from '../../../src/worker/pool/children.ts'
import { openPool, planPool } from '../../../src/worker/pool/open.ts'

const context = (options: ChildrenOptions = {}): ChildrenContext => ({
  host: createTestApp(),
  options,
  hostname: 'w1@host',
  log: SILENT,
  onFailed: () => {},
})
const runner = async (): Promise<null> => null

describe('worker/pool/open', () => {
  it('runs as many tasks at a time as there are CPUs when nobody says', () => {
    for (const name of ['async', 'prefork', 'threads']) {
      expect(planPool(name)).to.deep.equal({ name, concurrency: availableParallelism() })
    }
  })

  it("takes Celery's other names", () => {
    expect(planPool('gevent', 100)).to.deep.equal({ name: 'async', concurrency: 100 })
    expect(planPool('processes', 3)).to.deep.equal({ name: 'prefork', concurrency: 3 })
    expect(planPool('solo', 8)).to.deep.equal({ name: 'solo', concurrency: 1 })
  })

  it('refuses what it does not know, and says what it knows', () => {
    expect(() => planPool('nosuch')).to.throw("no pool 'nosuch': take one of async")
    expect(() => planPool('async', 0)).to.throw('concurrency must be a whole number from 1, not 0')
    expect(() => planPool('async', 1.5)).to.throw('not 1.5')
  })

  it('opens a pool under its name, and starts nothing', () => {
    for (const name of ['async', 'solo', 'prefork', 'threads']) {
      const pool = openPool<null>(planPool(name, 1), runner, context({ app: import.meta.url }))
      expect(pool.info()).to.include({ implementation: name, maxConcurrency: 1 })
    }
  })

  it('says how to name the app that children load', () => {
    expect(() => openPool<null>(planPool('prefork'), runner, context())).to.throw(
      "the pool 'prefork' runs tasks in children that load the app themselves: name its module with -A, " +
        'or in the options of app.worker() as app: import.meta.url',
    )
  })
})
