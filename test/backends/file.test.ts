/** Whether results in files are what every backend must give, and what Celery's file-system backend reads. */

import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { FileBackend } from '../../src/backends/file.ts'
import { BackendError, DecodeError, ImproperlyConfigured } from '../../src/errors.ts'
import { backendContract } from '../contracts/backend.ts'
import { groupStoreContract } from '../contracts/groups.ts'
import { backendDeps, meta } from '../support/backend.ts'
import { until } from '../support/until.ts'

describe('results in files', () => {
  let directory: string
  let open: (more?: Parameters<typeof backendDeps>[0]) => FileBackend

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'celeriac-file-'))
    open = (more = {}) => new FileBackend(`file://${directory}`, backendDeps(more))
  })
  after(() => rm(directory, { recursive: true }))

  backendContract(async () => ({
    client: open(),
    worker: open(),
    options: {},
    close: async () => {},
  }))
  groupStoreContract(async () => open())

  const refusal = async (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    )

  it('lie under Celery’s keys, and nothing else stays beside them', async () => {
    const backend = open()
    await backend.store(meta('a-task', 'SUCCESS', 5))
    await backend.groups.save([['a-group', null], [[['a-task', null], null]]])
    const files = await readdir(directory)
    expect(files).to.include.members(['celery-task-meta-a-task', 'celery-taskset-meta-a-group'])
    expect(files.filter((name) => name.startsWith('.'))).to.deep.equal([])
    const text = await readFile(join(directory, 'celery-task-meta-a-task'), 'utf8')
    expect(JSON.parse(text)).to.include({ status: 'SUCCESS', result: 5, task_id: 'a-task' })
    await backend.close()
  })

  it('take the prefix of all keys', async () => {
    const backend = open({ transportOptions: { globalKeyprefix: 'mine' } })
    await backend.store(meta('b', 'SUCCESS', 1))
    expect(await readdir(directory)).to.include('mine_celery-task-meta-b')
    await backend.close()
  })

  it('never leave their directory, whatever a task calls itself', async () => {
    const backend = open()
    for (const id of ['/../../outside', 'a/b', '../x', 'nul\0']) {
      const refused = await refusal(backend.store(meta(id, 'SUCCESS', 1)))
      expect(refused).to.be.instanceOf(BackendError).and.include({ retryable: false })
      expect(await refusal(backend.fetch(id))).to.be.instanceOf(BackendError)
      expect(await refusal(backend.groups.restore(id))).to.be.instanceOf(BackendError)
      expect(await refusal(backend.forget(id))).to.be.instanceOf(BackendError)
    }
    await backend.store(meta('..', 'SUCCESS', 1))
    expect(await readdir(directory)).to.include('celery-task-meta-..')
    await backend.close()
  })

  it('say at once that a name is too long, and know nothing of it', async () => {
    const backend = open()
    const id = 'x'.repeat(300)
    const refused = await refusal(backend.store(meta(id, 'SUCCESS', 1)))
    expect(refused).to.be.instanceOf(BackendError).and.include({ retryable: false })
    expect(await backend.fetch(id)).to.include({ status: 'PENDING' })
    await backend.close()
  })

  it('wait for a file that another is just writing, and tell one that stays broken', async () => {
    const backend = open()
    const file = join(directory, 'celery-task-meta-half')
    await writeFile(file, '')
    expect(await backend.fetch('half')).to.include({ status: 'PENDING' })
    await writeFile(file, '{"status": "SUC')
    expect(await refusal(backend.fetch('half'))).to.be.instanceOf(DecodeError)
    const seen: string[] = []
    backend.subscribe('whole', ({ status }) => seen.push(status))
    backend.subscribe(
      'half',
      () => {},
      ({ code }) => seen.push(code),
    )
    backend.subscribe(
      'a/b',
      () => {},
      ({ code }) => seen.push(code),
    )
    await backend.store(meta('whole', 'SUCCESS', 1))
    await until(() => seen.length === 3)
    expect(seen.toSorted()).to.deep.equal(['ERR_BACKEND', 'ERR_DECODE', 'SUCCESS'])
    await backend.close()
  })

  it('are deleted when they are older than resultExpires, with what was never finished', async () => {
    const backend = open({ resultExpires: 60 })
    await backend.store(meta('old', 'SUCCESS', 1))
    await backend.store(meta('new', 'SUCCESS', 1))
    const before = new Date(Date.now() - 2 * 3600 * 1000)
    const others = ['.celeriac-left', '.celeriac-fresh', 'another-file']
    for (const name of others) await writeFile(join(directory, name), '')
    for (const name of ['celery-task-meta-old', '.celeriac-left', 'another-file'])
      await utimes(join(directory, name), before, before)
    await backend.cleanup()
    const left = await readdir(directory)
    expect(left).to.include.members(['celery-task-meta-new', '.celeriac-fresh', 'another-file'])
    expect(left).to.not.include.members(['celery-task-meta-old', '.celeriac-left'])
    await backend.close()
  })

  it('stay for ever where resultExpires says so', async () => {
    const backend = open({ resultExpires: null })
    await backend.store(meta('eternal', 'SUCCESS', 1))
    await utimes(join(directory, 'celery-task-meta-eternal'), 0, 0)
    await backend.cleanup()
    expect((await stat(join(directory, 'celery-task-meta-eternal'))).isFile()).to.equal(true)
    await backend.close()
  })

  it('need a directory that is there, and a URL that names it', async () => {
    const missing = new FileBackend(`file://${directory}/missing`, backendDeps())
    expect(await refusal(missing.start()))
      .to.be.instanceOf(ImproperlyConfigured)
      .with.property('message')
      .that.contains('please make sure that it exists')
    expect(() => new FileBackend('file:/x', backendDeps())).to.throw(ImproperlyConfigured, /URI/)
    expect(() => new FileBackend('file://', backendDeps())).to.throw(ImproperlyConfigured, /path/)
    const local = new FileBackend(`file://localhost${directory}`, backendDeps())
    await local.start()
  })
})
