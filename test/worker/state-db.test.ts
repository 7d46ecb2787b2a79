/** The file that revokes are kept in: over a restart, a kill, and whatever befalls a file. */

import { execFile } from 'node:child_process'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { LamportClock } from '../../src/runtime/lamport.ts'
import { StateDb } from '../../src/worker/state-db.ts'
import { WorkerState } from '../../src/worker/state.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'
import { Harness, recorder } from './harness.ts'

/** One worker's life with the file. */
class Life {
  readonly state: WorkerState
  readonly lamport = new LamportClock()
  readonly logged: string[] = []
  readonly db: StateDb

  constructor(path: string, clock = new FakeClock(), saves?: FakeClock) {
    this.state = new WorkerState(clock)
    const options = { path, state: this.state, lamport: this.lamport, log: recorder(this.logged) }
    this.db = new StateDb(saves === undefined ? options : { ...options, clock: saves })
  }

  async started(): Promise<this> {
    await this.db.start()
    return this
  }
}

describe('worker/state-db', () => {
  let folder: string
  let path: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'celeriac-statedb-'))
    path = join(folder, 'worker.state')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  /** A file with one id in it. */
  async function written(id = 'kept'): Promise<string> {
    const life = await new Life(path).started()
    life.state.revoked.add(id)
    await life.db.stop()
    return await readFile(path, 'utf8')
  }

  /** An empty file. */
  async function fresh(): Promise<string> {
    await writeFile(path, '')
    return path
  }

  it('begins without a file, and without a word', async () => {
    const { logged, state, db } = await new Life(path).started()
    expect(logged).to.deep.equal([])
    expect(state.revoked.size).to.equal(0)
    await db.stop()
  })

  it('keeps ids, stamps, their times and the clock, in a file for its owner only', async () => {
    const clock = new FakeClock()
    const before = await new Life(path, clock).started()
    before.state.revoked.add('a')
    clock.advance(5000)
    before.state.revoked.add('b')
    before.state.revokedStamps.add('tenant', 'acme')
    before.lamport.adjust(41)
    await before.db.stop()
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    expect(await readdir(folder)).to.deep.equal(['worker.state'])

    const after = await new Life(path, clock).started()
    expect(after.logged).to.deep.equal([])
    expect(after.state.revoked.entries()).to.deep.equal([
      ['a', clock.now() - 5000],
      ['b', clock.now()],
    ])
    const message = { stampedHeaders: ['tenant'], stamps: { tenant: 'acme' } }
    expect(after.state.revokedStamps.matches(message)).to.have.length(1)
    expect(after.lamport.value).to.be.greaterThan(42)
    await after.db.stop()
  })

  it('forgets what is over by the time of day, whatever happened to the machine meanwhile', async () => {
    await written()
    const later = new FakeClock()
    later.advance(10_800_001)
    const { state, db } = await new Life(path, later).started()
    expect(state.revoked.size).to.equal(0)
    await db.stop()
  })

  it('is saved as soon as an id is revoked, and not only at the end', async () => {
    const first = await new Life(path).started()
    first.state.revoked.add('a')
    await until(async () => (await readFile(path, 'utf8').catch(() => '')).includes('"a"'))
    // Killed: nobody stops it, and another one begins.
    const { state, db } = await new Life(path).started()
    expect(state.revoked.has('a')).to.equal(true)
    await db.stop()
    await first.db.stop()
  })

  it('saves the first of many at once, the others together', async () => {
    const saves = new FakeClock()
    const { state, db } = await new Life(path, new FakeClock(), saves).started()
    const has = async (id: string): Promise<boolean> =>
      (await readFile(path, 'utf8').catch(() => '')).includes(`"${id}"`)
    state.revoked.add('first')
    saves.advance(0)
    await until(async () => await has('first'))
    await until(() => saves.alarms === 1)
    for (let n = 0; n < 2500; n += 1) state.revoked.add(`id-${n}`)
    saves.advance(499)
    expect(await has('id-0')).to.equal(false)
    saves.advance(1)
    await until(async () => (await has('id-0')) && (await has('id-2499')))
    await until(() => saves.alarms === 1)
    await db.stop()
    expect(saves.alarms).to.equal(0)
    const again = await new Life(path).started()
    expect(again.state.revoked.size).to.equal(2501)
    await again.db.stop()
  })

  const DAMAGES: readonly (readonly [string, (content: string) => string])[] = [
    ['empty', () => ''],
    ['cut short', (content) => content.slice(0, -20)],
    ['without its last byte', (content) => content.slice(0, -1)],
    ['changed in one letter', (content) => content.replace('kept', 'kepT')],
    ['longer than it was', (content) => `${content} `],
    ['another kind of JSON', () => '{"revoked":[]}'],
    ['a shelve of Python', () => '\x13\x57\x9a\xce\0\0zrevoked'],
  ]

  for (const [how, damage] of DAMAGES) {
    it(`puts a file aside that is ${how}, says so, and goes on without`, async () => {
      await writeFile(path, damage(await written()))
      const { logged, state, db } = await new Life(path).started()
      expect(logged).to.have.length(1)
      expect(logged[0]).to.match(
        /^warning statedb: '.*worker\.state' is put aside as '.*\.corrupt'/,
      )
      expect(await readdir(folder)).to.deep.equal(['worker.state.corrupt'])
      state.revoked.add('new')
      await db.stop()
      const again = await new Life(path).started()
      expect(again.state.revoked.has('new')).to.equal(true)
      await again.db.stop()
    })
  }

  it('puts a file of another version aside, though it is whole', async () => {
    const { createHash } = await import('node:crypto')
    const body = '{"version":2,"revoked":[],"stamps":[]'
    const digest = createHash('sha256').update(body).digest('hex')
    await writeFile(path, `${body},\n"sha256":"${digest}"}\n`)
    const { logged, db } = await new Life(path).started()
    expect(logged[0]).to.include('it is not of version 1')
    await db.stop()
  })

  for (const [what, make] of [
    ['a directory', (): Promise<unknown> => mkdir(path)],
    ['of a gigabyte', async (): Promise<unknown> => truncate(await fresh(), 2 ** 30)],
    ['a device', async (): Promise<void> => void (path = '/dev/null')],
    ['in a directory that is none', async (): Promise<void> => void (path = '/dev/null/x')],
  ] as const) {
    it(`leaves the path alone that is ${what}, says so once, and goes on without`, async () => {
      await make()
      const before = await stat(path).catch(() => undefined)
      const { logged, state, db } = await new Life(path).started()
      state.revoked.add('a')
      await db.stop()
      expect(logged).to.have.length(1)
      expect(logged[0]).to.match(/^warning statedb: Cannot read '.*', going on without it: /)
      const after = await stat(path).catch(() => undefined)
      expect([after?.ino, after?.mode]).to.deep.equal([before?.ino, before?.mode])
    })
  }

  it('says once that it cannot be written, tries again, and says when it can', async () => {
    const saves = new FakeClock()
    const { logged, state, db } = await new Life(path, new FakeClock(), saves).started()
    // Nobody can write there, not even root.
    await mkdir(join(`${path}.tmp`, 'x'), { recursive: true })
    state.revoked.add('a')
    saves.advance(0)
    await until(() => logged.length === 1)
    expect(logged[0]).to.match(/^warning statedb: Cannot save '.*': /)
    await until(() => saves.alarms === 1)
    state.revoked.add('b')
    saves.advance(30_000)
    await until(() => saves.alarms === 1)
    expect(logged).to.have.length(1)
    await rm(`${path}.tmp`, { recursive: true })
    saves.advance(30_000)
    await until(() => logged.length === 2)
    expect(logged[1]).to.match(/^info statedb: '.*' can be written again$/)
    await db.stop()
    const again = await new Life(path).started()
    expect(again.state.revoked.size).to.equal(2)
    await again.db.stop()
  })

  it('keeps the last good file when the disk is full in the middle of a save', async () => {
    await written('before')
    const script = `
      import { LamportClock } from './src/runtime/lamport.ts'
      import { StateDb } from './src/worker/state-db.ts'
      import { WorkerState } from './src/worker/state.ts'
      const log = (message) => console.log(message)
      const state = new WorkerState({ now: () => ${new FakeClock().now()}, after: () => () => {} })
      const logger = { debug: log, info: log, warning: log, error: log, critical: log }
      const path = ${JSON.stringify(path)}
      const db = new StateDb({ path, state, lamport: new LamportClock(), log: logger })
      await db.start()
      for (let n = 0; n < 5000; n += 1) state.revoked.add('id-' + n)
      await db.stop()`
    // No file of this shell's children may be longer: the write fails there as on a full disk.
    const node = `exec "$0" --import tsx --input-type=module -e "$1"`
    const shell = ['-c', `ulimit -f 16; ${node}`, process.execPath, script]
    const cwd = fileURLToPath(new URL('../..', import.meta.url))
    const { stdout } = await promisify(execFile)('sh', shell, { cwd })
    expect(stdout).to.match(/^statedb: Cannot save '.*': EFBIG/)
    const { state, logged, db } = await new Life(path).started()
    expect(logged).to.deep.equal([])
    expect(state.revoked.entries().map(([id]) => id)).to.deep.equal(['before'])
    await db.stop()
  })

  it('replaces a file, also one that nobody may write', async () => {
    await written()
    await chmod(path, 0o400)
    const content = await written('other')
    expect(content).to.include('"kept"').and.to.include('"other"')
  })

  it('may be stopped twice, and before it was started: then the file stays as it is', async () => {
    const content = await written()
    const { db, state } = new Life(path)
    await db.stop()
    expect(await readFile(path, 'utf8')).to.equal(content)
    await db.start()
    expect(state.revoked.has('kept')).to.equal(true)
    await db.stop()
    await db.stop()
    expect(await readdir(folder)).to.deep.equal(['worker.state'])
  })

  it('is one of the parts of a worker, under a name of the node', async () => {
    const harness = new Harness({ workerStateDb: join(folder, '%n.state') })
    try {
      const first = await harness.started()
      await harness.app.control.revoke('gone', { reply: true, destination: ['w1@host'] })
      await first.stop()
      const ran: string[] = []
      harness.app.task('t.note', () => void ran.push('ran'))
      const second = await harness.started({ stateDb: join(folder, 'w1.state') })
      expect(second.state.revoked.has('gone')).to.equal(true)
      await harness.app.sendTask('t.note', [], { taskId: 'gone' })
      await until(() => harness.logs('info').includes('Discarding revoked task: t.note[gone]'))
      expect(ran).to.deep.equal([])
    } finally {
      await harness.close()
    }
  })
})
