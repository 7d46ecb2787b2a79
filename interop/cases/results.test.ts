/** What comes back: failures with their traceback, custom states, retries, and results that nobody wants. */

import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { COUNTING } from '../matrix.ts'
import { closeStages, onEveryStage, type Stage } from '../stage.ts'
import { meta } from '../../test/support/backend.ts'
import { until } from '../../test/support/until.ts'
import { GroupResult, type TaskError } from '../../src/index.ts'

after(closeStages)

async function failureOf(promise: Promise<unknown>): Promise<TaskError> {
  return await promise.then(
    (value) => {
      throw new Error(`no failure, but ${String(value)}`)
    },
    (error: unknown) => error as TaskError,
  )
}

onEveryStage('the result of a Python task', (stage) => {
  it('rejects with type, arguments, module and traceback when the task failed', async () => {
    const result = await stage().app.sendTask('py.fail', ['boom', 42])
    const error = await failureOf(result.get({ timeout: 20 }))
    expect(error).to.include({ name: 'TaskError', excType: 'ValueError', excModule: 'builtins' })
    expect(error.args).to.deep.equal(['boom', 42])
    expect(error.message).to.include('boom')
    expect(error.traceback).to.match(/^Traceback \(most recent call last\):/)
    expect(error.traceback).to.include('raise ValueError(message, number)')
    expect(error.taskId).to.equal(result.id)
  })

  it('keeps the arguments of an error that we do not know', async () => {
    const error = await failureOf(
      (await stage().app.sendTask('py.fail_tenant')).get({ timeout: 20 }),
    )
    expect(error.excType).to.equal('TenantError')
    expect(error.args).to.deep.equal(['acme', { limit: [1, 2] }])
  })

  it('says NotRegistered for a task that Python does not know', async () => {
    const error = await failureOf((await stage().app.sendTask('py.no_such')).get({ timeout: 20 }))
    expect(String(error)).to.include('py.no_such')
    expect(error).to.satisfy(
      ({ name, excType }: TaskError) => name === 'NotRegistered' || excType === 'NotRegistered',
    )
  })

  it('is told in updates as it goes, up to the last', async () => {
    const result = await stage().app.sendTask<number>('py.progress', [3], { countdown: 0.3 })
    const seen: unknown[] = []
    for await (const update of result.updates()) seen.push([update.status, update.result])
    expect(seen.at(-1)).to.deep.equal(['SUCCESS', 3])
    expect(seen).to.deep.include(['PROGRESS', { done: 3, total: 3 }])
  })

  it('comes after retries', async () => {
    const result = await stage().app.sendTask<number>('py.retrying', [2])
    expect(await result.get({ timeout: 20 })).to.equal(2)
  })

  it('is not stored when it is to be ignored', async function () {
    const result = await stage().app.sendTask('py.add', [1, 1], { ignoreResult: true })
    const later = await stage().app.sendTask('py.add', [1, 1])
    await later.get({ timeout: 20 })
    expect(await stage().app.asyncResult(result.id).state()).to.equal('PENDING')
  })
})

onEveryStage('the result of a TypeScript task', (stage) => {
  it('raises in Python what the task threw', async () => {
    const error = await failureOf(stage().python.eval("send('ts.fail', 'boom')"))
    expect(error).to.include({ raised: 'TypeError', module: 'builtins' })
    expect(error.args).to.deep.equal(["'boom'"])
  })

  it('has a traceback that Python people can read', async () => {
    const { value } = await stage().python.eval(
      "(lambda r: (r.get(timeout=20, propagate=False) and None) or r.traceback)(app.send_task('ts.fail'))",
    )
    expect(value).to.match(
      /^Traceback \(most recent call last\):\n {2}File ".*tasks\.ts", line \d+/,
    )
    expect(value).to.match(/TypeError: boom\n?$/)
  })

  it('raises an error of its own class in Python, with its arguments', async () => {
    const error = await failureOf(stage().python.eval("send('ts.fail_tenant')"))
    expect(error).to.include({ raised: 'TenantError' })
    expect(error).to.have.property('mro').that.includes('Exception')
    expect(error.args).to.deep.equal(["'acme'", "{'limit': [1, 2]}"])
  })

  it('shows its custom states to Python', async () => {
    const { value } = await stage().python.eval(
      "(lambda seen: (app.send_task('ts.progress', [3], countdown=0.3).get(timeout=20, on_message=seen.append), [(m['status'], m['result']) for m in seen])[1])([])",
    )
    expect(value).to.deep.include(['PROGRESS', { done: 3, total: 3 }])
  })

  it('comes after retries', async () => {
    expect((await stage().python.eval("send('ts.retrying', 2)")).value).to.equal(2)
  })

  it('is the last error when the retries are used up', async () => {
    const error = await failureOf(stage().python.eval("send('ts.retrying', 9)"))
    expect(error.message).to.include('not yet')
  })

  it('is not stored when the task says so', async () => {
    const { value } = await stage().python.eval(
      "(lambda r: (send('ts.add', 1, 1), app.AsyncResult(r.id).state)[1])(app.send_task('ts.silent', [1]))",
    )
    expect(value).to.equal('PENDING')
  })

  it('is nothing for Ignore and Reject, and the worker goes on', async () => {
    const { value } = await stage().python.eval(
      "[app.send_task('ts.ignored').id, app.send_task('ts.rejected').id, send('ts.add', 1, 1)]",
    )
    const [ignored, rejected, two] = value as [string, string, number]
    expect(two).to.equal(2)
    expect(await stage().app.asyncResult(ignored).state()).to.equal('PENDING')
    expect(await stage().app.asyncResult(rejected).state()).to.equal('PENDING')
  })

  it('logs the run as Celery does', async () => {
    const { value } = await stage().python.eval(
      "(lambda r: (r.get(timeout=20), r.id)[1])(app.send_task('ts.add', [2, 3]))",
    )
    await stage().nodeWorker.says(`Task ts.add[${String(value)}] received`)
    await until(() =>
      new RegExp(`Task ts\\.add\\[${String(value)}\\] succeeded in [0-9.e-]+s: 5`).test(
        stage().nodeWorker.output,
      ),
    )
  })
})

onEveryStage('a group of results', groupsOfResults, COUNTING)

function groupsOfResults(stage: () => Stage): void {
  const python = async (expression: string): Promise<unknown> =>
    (await stage().python.eval(expression)).value
  const restored = (id: string): string => `app.GroupResult.restore('${id}')`
  const raw = (id: string): string =>
    `app.backend.get(app.backend.get_key_for_group('${id}')).decode()`

  it('that TypeScript saved is restored by Python, which saves the same bytes', async () => {
    const { app } = stage()
    const id = randomUUID()
    const sent = await Promise.all([
      app.sendTask<number>('py.add', [1, 2]),
      app.sendTask<number>('ts.add', [3, 4]),
    ])
    const group = new GroupResult<number[]>(id, sent, { parent: app.asyncResult('before') })
    await group.save()
    expect(await python(`${restored(id)}.as_tuple()`)).to.deep.equal(group.asTuple())
    // Python's handles cancel the waits of each other when one is collected: let none have to wait
    expect(await group.get({ timeout: 20 })).to.deep.equal([3, 7])
    expect(await python(`[r.get(timeout=20) for r in ${restored(id)}]`)).to.deep.equal([3, 7])
    const [before, after] = (await python(
      `[${raw(id)}, (${restored(id)}.save(), ${raw(id)})[1]]`,
    )) as [string, string]
    expect(after).to.equal(before)
    await group.delete()
    expect(await python(`${restored(id)} is None`)).to.equal(true)
  })

  it('that Python saved is restored by TypeScript, which saves the same bytes', async () => {
    const { app } = stage()
    const signatures = "[signature('py.add', (i, i)) for i in range(3)]"
    const id = String(
      await python(`(lambda r: (r.save(), r.id)[1])(group(${signatures}, app=app).apply_async())`),
    )
    const before = await python(raw(id))
    const group = await app.groupResult<number[]>(id)
    expect(await group?.get({ timeout: 20 })).to.deep.equal([0, 2, 4])
    expect(await group?.completedCount()).to.equal(3)
    await group?.save()
    expect(await python(raw(id))).to.equal(before)
  })

  it('is among the children of a task, and is what it returned, from Python to TypeScript', async () => {
    const { app } = stage()
    const id = randomUUID()
    const members = `[app.AsyncResult('${id}-a'), app.AsyncResult('${id}-b')]`
    const context = `__import__('celery.app.task').app.task.Context(_children=[g])`
    await python(
      `(lambda g: [app.backend.store_result('${id}', g, 'SUCCESS', request=${context})] + ` +
        `[app.backend.store_result(r.id, n, 'SUCCESS') for n, r in enumerate(g)])` +
        `(app.GroupResult('${id}-g', ${members})) and 1`,
    )
    const result = app.asyncResult(id)
    const [child] = (await result.children()) ?? []
    expect(child).to.be.instanceOf(GroupResult)
    const returned = app.resultFromTuple(await result.get({ timeout: 20 }))
    expect(returned.asTuple()).to.deep.equal(child?.asTuple())
    const seen: unknown[] = []
    for await (const [node, value] of result.collect()) seen.push([node.id, value])
    expect(seen.slice(1)).to.deep.equal([
      [`${id}-g`, [0, 1]],
      [`${id}-a`, 0],
      [`${id}-b`, 1],
    ])
  })

  it('is among the children of a task, and is what it returned, from TypeScript to Python', async () => {
    const { app } = stage()
    const id = randomUUID()
    const members = ['a', 'b'].map((name) => app.asyncResult<number>(`${id}-${name}`))
    const group = new GroupResult<number[]>(`${id}-g`, members)
    const children = [group.asTuple()]
    await app.backend.store(meta(id, 'SUCCESS', group.asTuple(), { children }))
    await Promise.all(members.map((member, n) => app.backend.store(meta(member.id, 'SUCCESS', n))))
    const collected = await python(
      `[[r.id, type(r).__name__, v] for r, v in app.AsyncResult('${id}').collect()]`,
    )
    expect(collected).to.deep.equal([
      [id, 'AsyncResult', group.asTuple()],
      [`${id}-g`, 'GroupResult', [0, 1]],
      [`${id}-a`, 'AsyncResult', 0],
      [`${id}-b`, 'AsyncResult', 1],
    ])
    const dot = await python(
      `(lambda s: (app.AsyncResult('${id}').graph.to_dot(s), s.getvalue())[1])(__import__('io').StringIO())`,
    )
    expect((await app.asyncResult(id).graph()).toDot()).to.equal(dot)
  })
}
