/** Calls from TypeScript to TypeScript: the same things that are asked of calls between the languages. */

import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { TaskError, TaskRevokedError, type CallOptions } from '../../src/index.ts'
import { until } from '../../test/support/until.ts'
import { closeStages, onEveryStage } from '../stage.ts'

after(closeStages)

onEveryStage('a call from TypeScript to TypeScript', (stage) => {
  const call = async <R = unknown>(
    name: string,
    args: readonly unknown[] = [],
    options: CallOptions = {},
  ): Promise<R> => await (await stage().app.sendTask<R>(name, args, options)).get({ timeout: 20 })
  const failure = async (promise: Promise<unknown>): Promise<unknown> =>
    await promise.then(
      () => undefined,
      (error: unknown) => error,
    )

  it('carries every JSON type, unicode, big integers, NaN, dates and bytes', async () => {
    const date = new Date('2024-02-29T12:30:45.123Z')
    const args = [null, true, 1.5, 'Grüße 🎉', [[]], { a: {} }, 2n ** 70n + 1n, Number.NaN]
    expect(await call('ts.echo', args)).to.deep.equal(args)
    const [sameDate, sameBytes] = await call<[Date, Buffer]>('ts.echo', [
      date,
      Buffer.from([0, 255]),
    ])
    expect(sameDate.getTime()).to.equal(date.getTime())
    expect([...sameBytes]).to.deep.equal([0, 255])
  })

  it('takes keyword arguments, and says which are wrong', async () => {
    expect(await call('ts.add', [2], { kwargs: { y: 3 } })).to.equal(5)
    const error = await failure(call('ts.add', [2], { kwargs: { z: 3 } }))
    expect(String(error)).to.include("unexpected keyword argument 'z'")
  })

  for (const serializer of ['msgpack', 'yaml']) {
    it(`may be written as ${serializer}`, async () => {
      const args = [1, 'é', { a: [1.5, null, true] }, 2 ** 40]
      expect(await call('ts.echo', args, { serializer })).to.deep.equal(args)
    })
  }

  for (const compression of ['zlib', 'brotli']) {
    it(`may be compressed with ${compression}`, async () => {
      const text = 'again and again '.repeat(200)
      expect(await call('ts.echo', [text], { compression })).to.deep.equal([text])
    })
  }

  it('keeps eta, priority and headers, and tells the task of them', async () => {
    const eta = new Date(Date.now() + 800)
    const context = await call<Record<string, unknown>>('ts.context', [], {
      eta,
      priority: 6,
      headers: { 'x-tenant': 'acme' },
    })
    expect(Date.now()).to.be.at.least(eta.getTime())
    expect(context).to.include({ priority: 6, parent_id: null, redelivered: false })
    expect(context['headers']).to.deep.equal({ 'x-tenant': 'acme' })
    expect(new Date(String(context['eta'])).getTime()).to.equal(eta.getTime())
  })

  it('is revoked when it has expired', async () => {
    const error = await failure(call('ts.add', [1, 1], { countdown: 1, expires: 0.3 }))
    expect(error).to.be.instanceOf(TaskRevokedError)
    expect(error).to.have.property('reason', 'expired')
  })

  it('fails with the type, the arguments and a traceback of the task', async () => {
    const error = await failure(call('ts.fail_tenant'))
    expect(error).to.be.instanceOf(TaskError)
    expect(error).to.include({ excType: 'TenantError' })
    expect(error).to.have.deep.property('args', ['acme', { limit: [1, 2] }])
    expect(error)
      .to.have.property('traceback')
      .that.matches(/tasks\.ts", line \d+/)
  })

  it('comes back after retries, and with the last error when they are used up', async () => {
    expect(await call('ts.retrying', [2])).to.equal(2)
    expect(String(await failure(call('ts.retrying', [9])))).to.include('not yet')
  })

  it('shows custom states, and stores nothing when it is told so', async () => {
    const result = await stage().app.sendTask<number>('ts.progress', [3], { countdown: 0.2 })
    const states: string[] = []
    for await (const { status } of result.updates()) states.push(status)
    expect(states).to.include('PROGRESS')
    expect(states.at(-1)).to.equal('SUCCESS')
    const silent = await stage().app.sendTask('ts.add', [1, 1], { ignoreResult: true })
    expect(await call('ts.add', [1, 1])).to.equal(2)
    expect(await stage().app.asyncResult(silent.id).state()).to.equal('PENDING')
  })

  it('goes on to links and along chains', async () => {
    const { app } = stage()
    const file = join(await mkdtemp(join(tmpdir(), 'celeriac-interop-')), 'lines')
    await app.sendTask('ts.add', [1, 2], {
      link: app.signature('ts.record', [file, 'linked'], { immutable: true }),
    })
    await until(async () => (await readFile(file, 'utf8').catch(() => '')) !== '', { seconds: 20 })
    const chained = await app
      .signature<number>('ts.add', [2, 3])
      .pipe(app.signature<number>('ts.mul', [10]))
      .applyAsync()
    expect(await chained.get({ timeout: 20 })).to.equal(50)
  })
})
