/** Remote control between both languages: revoke, terminate, ping. */

import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { TaskRevokedError, type AsyncResult } from '../../src/index.ts'
import { until } from '../../test/support/until.ts'
import { closeStages, onEveryStage } from '../stage.ts'

after(closeStages)

async function newFile(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'celeriac-interop-')), 'lines')
}

async function written(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '')
}

async function errorOf(result: AsyncResult): Promise<unknown> {
  return await result.get({ timeout: 20 }).catch((reason: unknown) => reason)
}

function discarded(task: string, result: AsyncResult | undefined): RegExp {
  return new RegExp(`Discarding revoked task: ${task}\\[${result?.id}\\]`)
}

/** What each node replied, by the name before the `@`. */
function byNode(replies: unknown): Record<string, unknown> {
  const each = (replies as readonly Record<string, unknown>[]).flatMap(Object.entries)
  return Object.fromEntries(each.map(([node, reply]) => [node.split('@')[0], reply]))
}

onEveryStage('remote control', (stage) => {
  it('lets TypeScript revoke a task that waits at a Python worker, and at its own', async () => {
    const { app, pythonWorker, nodeWorker } = stage()
    const file = await newFile()
    const calls = ['py.record', 'ts.record'].map((name) =>
      app.sendTask(name, [file, name], { countdown: 3 }),
    )
    const results = await Promise.all(calls)
    // Waits for replies, so that all workers know it before the time has come.
    await Promise.all(results.map((result) => result.revoke({ wait: true, timeout: 0.8 })))
    for (const error of await Promise.all(results.map(errorOf))) {
      expect(error).to.be.instanceOf(TaskRevokedError)
      expect(error).to.have.property('message', 'revoked')
    }
    await pythonWorker.says(discarded('py.record', results[0]), 20)
    await nodeWorker.says(discarded('ts.record', results[1]), 20)
    expect(await written(file)).to.equal('')
  })

  it('lets TypeScript end a task that runs at a Python worker, and at its own', async () => {
    const { app } = stage()
    for (const name of ['py.slow', 'ts.slow']) {
      const file = await newFile()
      const result = await app.sendTask(name, [file, 60])
      await until(async () => (await written(file)) !== '', { seconds: 20, what: name })
      await result.revoke({ terminate: true })
      const error = await errorOf(result)
      expect(error, name).to.be.instanceOf(TaskRevokedError)
      expect(String(error)).to.match(/revoked|terminated/)
    }
  })

  it('lets Python revoke a task that waits at a TypeScript worker', async () => {
    const { app, python, nodeWorker } = stage()
    const file = await newFile()
    const result = await app.sendTask('ts.record', [file, 'ran'], { countdown: 2 })
    await python.eval(`app.control.revoke("${result.id}")`)
    await nodeWorker.says(new RegExp(`Tasks flagged as revoked: ${result.id}`), 20)
    expect(await errorOf(result)).to.be.instanceOf(TaskRevokedError)
    await nodeWorker.says(discarded('ts.record', result), 20)
    expect(await written(file)).to.equal('')
  })

  it('lets Python end a task that runs at a TypeScript worker, and see it REVOKED', async () => {
    const { python } = stage()
    const file = await newFile()
    const send = `globals().update(r=app.send_task("ts.slow", ("${file}", 60)))`
    await python.eval(send)
    await until(async () => (await written(file)) !== '', { seconds: 20, what: 'the start' })
    const { value } = await python.eval(
      'app.control.revoke(r.id, terminate=True, signal="SIGKILL", reply=True, timeout=1)',
    )
    expect(byNode(value)['ts']).to.deep.equal({
      ok: `terminate: ${String((await python.eval('r.id')).value)}`,
    })
    const error = await python.eval('r.get(timeout=20)').catch((reason: unknown) => reason)
    expect(error).to.have.property('raised', 'TaskRevokedError')
    // Celery 5.6 stores `revoked` from each worker that hears of it: it may come after ours.
    expect(String(error)).to.match(/: (terminated|revoked)$/)
  })

  it('answers a ping of Python, by `control` and by `inspect`', async () => {
    const { python } = stage()
    const pong = { ok: 'pong' }
    const { value } = await python.eval('app.control.ping(timeout=1)')
    expect(byNode(value)).to.deep.equal({ py: pong, ts: pong })
    const inspected = await python.eval('app.control.inspect(timeout=1).ping()')
    expect(byNode([inspected.value])).to.deep.equal({ py: pong, ts: pong })
    const [ts] = Object.keys(inspected.value as object).filter((name) => name.startsWith('ts@'))
    const aimed = await python.eval(`app.control.ping(destination=["${ts}"], timeout=5)`)
    expect(byNode(aimed.value)).to.deep.equal({ ts: pong })
    const globbed = await python.eval(
      'app.control.broadcast("ping", reply=True, timeout=1, pattern="t[a-z]@*", matcher="glob")',
    )
    expect(byNode(globbed.value)).to.deep.equal({ ts: pong })
  })

  it('replies to Python as a Python worker does, also to what is no command', async () => {
    const { python } = stage()
    const revoked = await python.eval('app.control.revoke("nobody", reply=True, timeout=1)')
    expect(byNode(revoked.value)['ts']).to.deep.equal({
      ok: "tasks {'nobody'} flagged as revoked",
    })
    const wrong = await python.eval('app.control.broadcast("nosuch", reply=True, timeout=1)')
    const { py, ts } = byNode(wrong.value)
    expect(ts).to.deep.equal({ error: "KeyError('nosuch')" })
    expect(ts).to.deep.equal(py)
  })

  it('collects the replies of both workers', async () => {
    const { app } = stage()
    const replies = await app.control.revoke(['a', 'b'], { terminate: true, reply: true })
    const unknown = { ok: 'terminate: tasks unknown' }
    expect(byNode(replies)).to.deep.equal({ py: unknown, ts: unknown })
  })
})
