/** Calls from either side to the other: arguments, options, and what the task sees of them. */

import { expect } from 'chai'
import { closeStages, onEveryStage } from '../stage.ts'

after(closeStages)

onEveryStage('a call from TypeScript to Python', (stage) => {
  it('brings the result back', async () => {
    const result = await stage().app.sendTask<number>('py.add', [2, 3])
    expect(await result.get({ timeout: 20 })).to.equal(5)
  })

  it('carries arguments of every JSON type', async () => {
    const args = [null, true, 1, -2.5, 'text', [1, [2]], { a: { b: [] } }, '']
    const result = await stage().app.sendTask('py.echo', args, { kwargs: { key: 'word' } })
    expect(await result.get({ timeout: 20 })).to.deep.equal({ args, kwargs: { key: 'word' } })
  })

  it('carries unicode, in arguments and in keyword names', async () => {
    const args = ['Grüße, 世界 🎉', 'line\nfeed', '\u2028', "it's"]
    const kwargs = { clé: 'žluťoučký' }
    const result = await stage().app.sendTask('py.echo', args, { kwargs })
    expect(await result.get({ timeout: 20 })).to.deep.equal({ args, kwargs })
  })

  it('carries integers beyond 2^53 without losing a digit', async () => {
    const result = await stage().app.sendTask<string>('py.describe', [2n ** 64n + 1n])
    expect(await result.get({ timeout: 20 })).to.equal('int 18446744073709551617')
    const back = await stage().app.sendTask<bigint>('py.give', ['2**70 + 1'])
    expect(await back.get({ timeout: 20 })).to.equal(2n ** 70n + 1n)
  })

  it('carries NaN and infinity', async () => {
    const args = [Number.NaN, -Infinity]
    const result = await stage().app.sendTask('py.echo', args)
    expect(await result.get({ timeout: 20 })).to.deep.equal({ args, kwargs: {} })
  })

  it('shows the arguments to monitors as Python would', async () => {
    const result = await stage().app.sendTask<Record<string, unknown>>(
      'py.context',
      [1, "it's", [true, null]],
      { kwargs: { k: 1.5 } },
    )
    const context = await result.get({ timeout: 20 })
    expect(context['argsrepr']).to.equal("(1, 'it\\'s', [True, None])")
    expect(context['kwargsrepr']).to.equal("{'k': 1.5}")
  })

  it('hands over headers, time limits and the id that was asked for', async () => {
    const taskId = `mine-${Date.now()}`
    const result = await stage().app.sendTask<Record<string, unknown>>('py.context', [], {
      taskId,
      headers: { 'x-tenant': 'acme' },
      timeLimit: 60,
      softTimeLimit: 50.5,
    })
    const context = await result.get({ timeout: 20 })
    expect(context).to.include({ id: taskId, root_id: taskId, parent_id: null })
    expect(context['headers']).to.deep.equal({ 'x-tenant': 'acme' })
    expect(context['timelimit']).to.deep.equal([60, 50.5])
  })

  it('keeps an eta: not early, and not much later', async () => {
    const eta = new Date(Date.now() + 1500)
    const result = await stage().app.sendTask<Record<string, unknown>>('py.context', [], { eta })
    const context = await result.get({ timeout: 20 })
    expect(Date.now()).to.be.at.least(eta.getTime())
    expect(Date.now() - eta.getTime()).to.be.below(3000)
    expect(new Date(String(context['eta'])).getTime()).to.equal(eta.getTime())
  })

  it('is revoked when it has expired', async () => {
    const result = await stage().app.sendTask('py.add', [1, 1], { countdown: 1.5, expires: 0.5 })
    const error = await result.get({ timeout: 20 }).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.include({ name: 'TaskRevokedError', reason: 'expired' })
  })

  it('carries a priority', async () => {
    const result = await stage().app.sendTask<Record<string, unknown>>('py.context', [], {
      priority: 6,
    })
    expect((await result.get({ timeout: 20 }))['priority']).to.equal(6)
  })

  for (const serializer of ['msgpack', 'yaml']) {
    it(`may be written as ${serializer}`, async () => {
      const args = [1, 'é', { a: [1.5, null, true] }, 2 ** 40, -1]
      const result = await stage().app.sendTask('py.echo', args, { serializer })
      expect(await result.get({ timeout: 20 })).to.deep.equal({ args, kwargs: {} })
    })
  }

  it('carries bytes in msgpack', async () => {
    const result = await stage().app.sendTask('py.describe', [Buffer.from([0, 255, 254])], {
      serializer: 'msgpack',
    })
    expect(await result.get({ timeout: 20 })).to.equal("bytes b'\\x00\\xff\\xfe'")
  })

  for (const compression of ['zlib', 'gzip', 'brotli']) {
    it(`may be compressed with ${compression}`, async () => {
      const text = 'the same again and again '.repeat(200)
      const result = await stage().app.sendTask('py.echo', [text], { compression })
      expect(await result.get({ timeout: 20 })).to.deep.equal({ args: [text], kwargs: {} })
    })
  }
})

onEveryStage('a call from Python to TypeScript', (stage) => {
  const value = async (expression: string): Promise<unknown> =>
    (await stage().python.eval(expression)).value

  it('brings the result back', async () => {
    expect(await value("send('ts.add', 2, 3)")).to.equal(5)
  })

  it('may name the arguments', async () => {
    expect(await value("send('ts.add', 2, kwargs={'y': 40})")).to.equal(42)
  })

  it('carries arguments of every JSON type', async () => {
    const answer = await value(
      "send('ts.echo', None, True, 1, -2.5, 'Grüße 🎉', [1, [2]], {'a': {}})",
    )
    expect(answer).to.deep.equal([null, true, 1, -2.5, 'Grüße 🎉', [1, [2]], { a: {} }])
  })

  it('carries integers beyond 2^53 without losing a digit', async () => {
    expect(await value("send('ts.describe', 2**64 + 1)")).to.equal('bigint 18446744073709551617')
    expect((await stage().python.eval("send('ts.echo', 2**70 + 1)[0] == 2**70 + 1")).repr).to.equal(
      'True',
    )
  })

  it('carries NaN and infinity', async () => {
    const { repr } = await stage().python.eval("send('ts.echo', float('nan'), float('-inf'))")
    expect(repr).to.equal('[nan, -inf]')
  })

  it('carries a priority', async () => {
    expect(await value("send('ts.context', priority=6)")).to.have.property('priority', 6)
  })

  it('keeps a countdown, and tells the task its eta', async () => {
    const start = Date.now()
    const answer = await value("send('ts.context', countdown=1.2, headers={'x-tenant': 'acme'})")
    expect(Date.now() - start).to.be.within(1200, 5000)
    expect(answer).to.have.deep.property('headers', { 'x-tenant': 'acme' })
    expect(answer).to.have.property('eta').that.is.a('string')
  })

  it('is revoked when it has expired', async () => {
    const error = await stage()
      .python.eval("send('ts.add', 1, 1, countdown=1.5, expires=0.5)")
      .catch((reason: unknown) => reason)
    expect(error).to.include({ raised: 'TaskRevokedError', module: 'celery.exceptions' })
  })

  for (const serializer of ['msgpack', 'yaml']) {
    it(`may be written as ${serializer}`, async () => {
      const { repr } = await stage().python.eval(
        `send('ts.echo', 1, 'é', {'a': [1.5, None, True]}, 2**40, serializer='${serializer}')`,
      )
      expect(repr).to.equal("[1, 'é', {'a': [1.5, None, True]}, 1099511627776]")
    })
  }

  for (const compression of ['zlib', 'bzip2', 'brotli']) {
    const known = compression !== 'bzip2'
    it(`${known ? 'may be' : 'is kept from running, with a clear log line, when'} compressed with ${compression}`, async () => {
      const call = `'ts.echo', args=['again ' * 500], compression='${compression}'`
      if (known) {
        expect(await value(`app.send_task(${call}).get(timeout=20)`)).to.deep.equal([
          'again '.repeat(500),
        ])
        return
      }
      await stage().python.eval(`app.send_task(${call}).id`)
      await stage().nodeWorker.says(/compression 'application\/x-bz2' is not in this Node/)
      expect(await value("send('ts.add', 1, 1)")).to.equal(2)
    })
  }

  it('is told that a task is unknown, and the worker goes on', async () => {
    const error = await stage()
      .python.eval("send('ts.no_such_task')")
      .catch((reason: unknown) => reason)
    expect(error).to.include({ raised: 'NotRegistered' })
    expect(await value("send('ts.add', 1, 1)")).to.equal(2)
  })
})
