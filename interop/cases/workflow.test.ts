/** Links, errbacks and chains that pass through both languages. */

import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { closeStages, onEveryStage } from '../stage.ts'
import { until } from '../../test/support/until.ts'

after(closeStages)

async function newFile(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'celeriac-interop-')), 'lines')
}

async function linesOf(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '')
}

onEveryStage('a workflow through both languages', (stage) => {
  it('passes the result along a chain that TypeScript sent: Python, TypeScript, Python', async () => {
    const { app } = stage()
    const result = await app
      .signature<number>('py.add', [2, 3])
      .pipe(app.signature<number>('ts.mul', [10]))
      .pipe(app.signature<number>('py.add', [1]))
      .applyAsync()
    expect(await result.get({ timeout: 20 })).to.equal(51)
    expect(await result.parent?.get({ timeout: 20 })).to.equal(50)
  })

  it('passes the result along a chain that Python sent: TypeScript, Python, TypeScript', async () => {
    const { value } = await stage().python.eval(
      "(lambda s: chain(s('ts.add', (2, 3)), s('py.mul', (10,)), s('ts.add', (1,)))().get(timeout=20))(lambda name, args: signature(name, args=args, app=app))",
    )
    expect(value).to.equal(51)
  })

  it('fails the rest of a chain with the error of its first, on both sides', async () => {
    const { app } = stage()
    const result = await app
      .signature('ts.fail', ['early'])
      .pipe(app.signature('py.add', [1]))
      .applyAsync()
    const error = await result.get({ timeout: 20 }).catch((reason: unknown) => reason)
    expect(String(error)).to.include('early')
  })

  it('runs a Python link after a TypeScript task, and the other way round', async () => {
    const { app } = stage()
    const file = await newFile()
    await app.sendTask('ts.add', [2, 3], {
      link: app.signature('py.record', [file, 'after-ts'], { immutable: true }),
    })
    await app.sendTask('py.add', [2, 3], {
      link: app.signature('ts.record', [file, 'after-py'], { immutable: true }),
    })
    await until(async () => (await linesOf(file)).length === 2, { seconds: 20, what: 'both links' })
    expect((await linesOf(file)).toSorted()).to.deep.equal(['after-py', 'after-ts'])
  })

  it('calls an errback of the other language with the id of the task that failed', async () => {
    const { app } = stage()
    const file = await newFile()
    const ours = await app.sendTask('ts.fail', ['x'], {
      linkError: app.signature('py.errback', [file]),
    })
    const theirs = await app.sendTask('py.fail', ['x'], {
      linkError: app.signature('ts.errback', [file]),
    })
    await until(async () => (await linesOf(file)).length === 2, {
      seconds: 20,
      what: 'both errbacks',
    })
    expect((await linesOf(file)).toSorted()).to.deep.equal([ours.id, theirs.id].toSorted())
  })
})
