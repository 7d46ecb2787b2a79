/** Whether whoever waits for a result that is polled for hears of it, and no more is done than that needs. */

import { expect } from 'chai'
import { Poller } from '../../src/backends/poller.ts'
import { BackendError, ImproperlyConfigured, type CeleryError } from '../../src/errors.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { meta } from '../support/backend.ts'
import { until, within } from '../support/until.ts'

describe('a poller', () => {
  let stored: Map<string, ResultMeta>
  let looks: number
  let failure: Error | undefined
  let lines: string[]
  let poller: Poller

  beforeEach(() => {
    stored = new Map()
    looks = 0
    failure = undefined
    lines = []
    poller = new Poller({
      address: () => 'x://',
      log: {
        ...SILENT,
        error: (line) => void lines.push(line),
        info: (line) => void lines.push(line),
      },
      fetchMany: async (taskIds) => {
        looks += 1
        if (failure !== undefined) throw failure
        return taskIds.map((taskId) => stored.get(taskId) ?? meta(taskId, 'PENDING'))
      },
    })
  })
  afterEach(() => poller.close())

  const hear = (taskId: string): Promise<ResultMeta> =>
    new Promise((resolve, reject: (error: CeleryError) => void) => {
      const leave = poller.subscribe(
        taskId,
        (heard) => {
          leave()
          resolve(heard)
        },
        reject,
      )
    })

  it('tells whoever comes later what it has told others, while some still wait', async () => {
    poller.subscribe('pending', () => {})
    stored.set('a', meta('a', 'SUCCESS', 1))
    expect(await within(10, hear('a'))).to.include({ result: 1 })
    expect(await within(10, hear('a'))).to.include({ result: 1 })
  })

  it('asks for all who wait at once', async () => {
    const heard = Array.from({ length: 1000 }, (_, index) => hear(`${index}`))
    for (let index = 0; index < 1000; index += 1)
      stored.set(`${index}`, meta(`${index}`, 'SUCCESS', index))
    await within(10, Promise.all(heard))
    expect(looks).to.equal(1)
  })

  it('speaks once of a backend that is away, and once when it is back', async () => {
    failure = new BackendError('away')
    const heard = hear('a')
    await until(() => looks > 4)
    expect(lines).to.have.length(1)
    expect(lines[0]).to.include('x:// cannot be read').and.include('away')
    failure = undefined
    stored.set('a', meta('a', 'SUCCESS', 1))
    await within(10, heard)
    expect(lines).to.have.length(2)
    expect(lines[1]).to.include('x:// can be read again')
  })

  it('says nothing of one look that failed', async () => {
    failure = new BackendError('busy')
    const heard = hear('a')
    await until(() => looks > 0)
    failure = undefined
    stored.set('a', meta('a', 'SUCCESS', 1))
    await within(10, heard)
    expect(lines).to.deep.equal([])
  })

  it('ends all who wait when trying again cannot help', async () => {
    failure = new ImproperlyConfigured('no driver')
    const error = await within(
      10,
      hear('a').catch((reason: unknown) => reason),
    )
    expect(error).to.equal(failure)
  })

  it('looks no more when nobody waits, and when it is closed', async () => {
    const leave = poller.subscribe('a', () => {})
    await until(() => looks > 0)
    leave()
    const ended = hear('b').catch(({ code }: CeleryError) => code)
    poller.close()
    const before = looks
    expect(await within(10, ended)).to.equal('ERR_ABORTED')
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(looks).to.equal(before)
  })
})
