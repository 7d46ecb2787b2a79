/** Calls that run here and now because the settings say so. */

import { expect } from 'chai'
import { EncodeError, NotRegistered } from '../../src/errors.ts'
import { EagerResult } from '../../src/results/eager-result.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { createTestApp } from '../../src/testing.ts'
import { sent, take } from './sent.ts'

describe('taskAlwaysEager', () => {
  it('runs a task here and now, and sends nothing', async () => {
    await using app = createTestApp({ taskAlwaysEager: true })
    const add = app.task('add', (x: number, y: number) => x + y)
    const result = await add.delay(2, 2)
    expect(result).to.be.instanceOf(EagerResult)
    expect(await result.get()).to.equal(4)
    expect(await take(app)).to.equal(undefined)
  })

  it('sends arguments through the serializer and back', async () => {
    await using app = createTestApp({ taskAlwaysEager: true })
    const echo = app.task('echo', { params: ['value'] }, (value: unknown) => value)
    const given = { list: [1, 'two', null] }
    const result = await echo.applyAsync([], { kwargs: { value: given } })
    expect(await result.get()).to.deep.equal(given)
    expect(await result.get()).not.to.equal(given)
  })

  it('refuses arguments that no worker could be given', async () => {
    await using app = createTestApp({ taskAlwaysEager: true })
    const echo = app.task('echo', (value: unknown) => value)
    const error = await echo.delay(() => {}).catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(EncodeError)
  })

  it('keeps errors in the result, unless they shall propagate', async () => {
    await using app = createTestApp({ taskAlwaysEager: true })
    const boom = app.task('boom', () => {
      throw new RangeError('boom')
    })
    const result = await boom.delay()
    expect(await result.failed()).to.equal(true)
    app.conf.taskEagerPropagates = true
    expect(await boom.delay().catch((error: unknown) => error)).to.be.instanceOf(RangeError)
  })

  it('may be turned on and off', async () => {
    await using app = createTestApp()
    const one = app.task('one', () => 1)
    app.conf.taskAlwaysEager = true
    expect(await one.delay()).to.be.instanceOf(EagerResult)
    app.conf.taskAlwaysEager = false
    expect(await one.delay()).not.to.be.instanceOf(EagerResult)
    expect((await sent(app)).message.headers['task']).to.equal('one')
  })

  it('has no effect on sendTask, as in Celery, and says so', async () => {
    const lines: string[] = []
    const logger = { ...SILENT, warning: (line: string): void => void lines.push(line) }
    await using app = createTestApp({ taskAlwaysEager: true }, { logger })
    await app.sendTask('one')
    expect(lines).to.deep.equal(['taskAlwaysEager has no effect on sendTask'])
    expect((await sent(app)).message.headers['task']).to.equal('one')
  })

  it('cannot run what is not here', async () => {
    await using app = createTestApp({ taskAlwaysEager: true })
    const py = app.remote<{ nowhere(): void }>()
    const error = await py.nowhere.delay().catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(NotRegistered)
  })
})
