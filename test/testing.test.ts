/** The door for tests of users. */

import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as celeriac from '../src/index.ts'
import { createTestApp, startTestWorker } from '../src/testing.ts'

describe('an app for tests', () => {
  it('has a broker and results of its own', async () => {
    await using one = createTestApp()
    await using two = createTestApp()
    expect(one.conf.brokerUrl).not.to.equal(two.conf.brokerUrl)
    const add = one.task('add', (x: number, y: number) => x + y)
    two.task('add', () => 'wrong')
    const worker = await startTestWorker(two)
    const right = await startTestWorker(one)
    expect(await (await add.delay(2, 2)).get({ timeout: 5 })).to.equal(4)
    await Promise.all([worker.stop(), right.stop()])
  })

  it('does not ask the environment', () => {
    process.env['CELERY_BROKER_URL'] = 'amqp://elsewhere'
    try {
      expect(createTestApp().conf.brokerUrl).to.match(/^memory:/)
    } finally {
      delete process.env['CELERY_BROKER_URL']
    }
  })
})

describe('the public face', () => {
  it('has the words of Celery', () => {
    expect(celeriac).to.include.keys(
      'Celery',
      'chain',
      'AsyncResult',
      'Ignore',
      'Reject',
      'Retry',
      'TaskError',
      'states',
      'beforeTaskPublish',
      'taskPrerun',
      'workerReady',
      'PythonDateTime',
      'consoleLogger',
    )
  })

  it('lets a process end by itself when its app is closed, and opens nothing before', async () => {
    const script = `
      const { Celery } = await import('${new URL('../src/index.ts', import.meta.url).href}')
      const before = process.getActiveResourcesInfo().filter((name) => /TCP|Socket/.test(name))
      const app = new Celery('shop')
      const add = app.task('add', (x, y) => x + y)
      const worker = app.worker({ concurrency: 2 })
      await worker.start()
      const value = await (await add.delay(2, 2)).get({ timeout: 5 })
      await worker.stop()
      await app.close()
      console.log(JSON.stringify({ value, before }))`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script],
      {
        timeout: 20_000,
        cwd: fileURLToPath(new URL('..', import.meta.url)),
        env: { PATH: process.env['PATH'] },
      },
    )
    expect(JSON.parse(stdout)).to.deep.equal({ value: 4, before: [] })
  })
})
