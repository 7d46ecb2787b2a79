/** What follows a run: links, chains, errbacks. */

import { expect } from 'chai'
import { signature, type SignatureDict } from '../../protocol/signature.ts'
import { chordOf } from '../../src/canvas/primitives.ts'
import { NO_EMBED } from '../../protocol/task/task-message.ts'
import { fixture, type Fixture } from './fakes.ts'

describe('after a run', () => {
  let app: Fixture
  beforeEach(() => {
    app = fixture()
    app.task('ok', () => 3)
    app.task('bad', () => {
      throw new RangeError('no')
    })
  })

  const lineage = { rootId: 'id-1', parentId: 'id-1' }

  it('sends its one callback with the result, as a child', async () => {
    await app.run({ task: 'ok', embed: { ...NO_EMBED, callbacks: [signature('mul', [10])] } })
    expect(app.sender.last).to.deep.include({ task: 'mul', args: [3, 10] })
    expect(app.sender.last.options).to.deep.include(lineage)
    expect(app.backend.last.children).to.have.length(1)
  })

  it('sends several callbacks as a group, and keeps the arguments of an immutable one', async () => {
    const callbacks = [signature('a'), signature('b', ['x'], {}, { immutable: true })]
    await app.run({ task: 'ok', embed: { ...NO_EMBED, callbacks } })
    const [a, b] = app.sender.sent
    expect(a?.args).to.deep.equal([3])
    expect(b?.args).to.deep.equal(['x'])
    expect(a?.options).to.deep.include({ ...lineage, groupIndex: 0 })
    expect(b?.options).to.deep.include({ ...lineage, groupIndex: 1, groupId: a?.options.groupId })
    const [child, ...more] = app.backend.last.children ?? []
    expect(child?.[0][0]).to.equal(a?.options.groupId)
    expect(child?.[1]).to.have.length(2)
    expect(more).to.deep.equal([])
  })

  it('expands a callback that is a chain or a group', async () => {
    const tasks = [signature('a'), signature('b')]
    const chain = signature('celery.chain', [], { tasks }, { subtask_type: 'chain' })
    const group = signature('celery.group', [], { tasks }, { subtask_type: 'group' })
    await app.run({ task: 'ok', embed: { ...NO_EMBED, callbacks: [chain] } })
    expect(app.sender.sent.map(({ task }) => task)).to.deep.equal(['a'])
    expect(app.sender.last.options.chain?.map(({ task }) => task)).to.deep.equal(['b'])
    await app.run({ task: 'ok', embed: { ...NO_EMBED, callbacks: [group] } })
    expect(app.sender.sent.map(({ task }) => task)).to.deep.equal(['a', 'a', 'b'])
  })

  it('sends the last of the chain with the result and the rest', async () => {
    const chain = [step('c', 'z'), step('b', 'y')]
    await app.run({ task: 'ok', id: 'me', rootId: 'root', embed: { ...NO_EMBED, chain } })
    expect(app.sender.last).to.deep.include({ task: 'b', args: [3] })
    expect(app.sender.last.options).to.deep.include({
      taskId: 'y',
      replyTo: 'oid',
      rootId: 'root',
      parentId: 'me',
    })
    expect(app.sender.last.options.chain).to.deep.equal([chain[0]])
    expect(app.backend.last.children).to.deep.equal([[['y', null], null]])
  })

  it('sends the end of a chain with an empty one, as Celery does', async () => {
    await app.run({ task: 'ok', embed: { ...NO_EMBED, chain: [step('b', 'y')] } })
    expect(app.sender.last.options.chain).to.deep.equal([])
  })

  it('fails the task, in clear words, when a chord comes next that is none, or cannot be counted', async () => {
    const none = signature('celery.chord', [], {}, { subtask_type: 'chord' })
    const chord = chordOf([signature('a')], signature('sum'))
    for (const [next, type] of [
      [none, 'CeleryError'],
      [chord, 'NotSupported'],
    ] as const) {
      const outcome = await app.run({ task: 'ok', embed: { ...NO_EMBED, chain: [next] } })
      expect(outcome).to.include({ state: 'FAILURE' })
      expect(app.backend.metas.findLast(({ taskId }) => taskId === 'id-1')?.result).to.deep.include(
        {
          exc_type: type,
        },
      )
    }
    expect(app.sender.sent).to.deep.equal([])
  })

  it('says that the body of a chord will not run where nothing counts, and stores the part all the same', async () => {
    app.backend.capabilities = { persistent: false }
    await app.run({ task: 'ok', group: 'g', embed: { ...NO_EMBED, chord: signature('sum') } })
    expect(app.backend.last.status).to.equal('SUCCESS')
    expect(app.logged.join()).to.match(
      /^error: Task id-1 ended as SUCCESS in the header of the chord g, whose body 'sum' will not run/,
    )
  })

  it('lets nobody forge a log line by an id or a name', async () => {
    app.backend.capabilities = { persistent: false }
    app.task('onError', (..._facts: unknown[]) => {
      throw new Error('errback broke')
    })
    const id = 'x\n[2026-01-01 00:00:00,000: INFO/MainProcess] forged'
    const chord = signature(`sum\n${'x'.repeat(10_000)}`)
    const embed = { ...NO_EMBED, chord, errbacks: [signature('onError')] }
    await app.run({ task: 'bad', id, group: id, embed })
    app.backend.refuse = () => {
      throw new RangeError('a\nb')
    }
    await app.run({ task: 'bad', id, embed: NO_EMBED })
    expect(app.logged).to.have.length(3)
    for (const line of app.logged) {
      expect(line).not.to.match(/\n\[/)
      expect(line.length).to.be.below(4000)
    }
  })

  it('marks the rest of the chain failed with the same error', async () => {
    await app.run({ task: 'bad', embed: { ...NO_EMBED, chain: [step('c', 'z'), step('b', 'y')] } })
    const metas = app.backend.metas
    expect(metas.map(({ taskId, status }) => [taskId, status])).to.deep.equal([
      ['id-1', 'FAILURE'],
      ['z', 'FAILURE'],
      ['y', 'FAILURE'],
    ])
    expect(metas[1]?.result).to.deep.equal(metas[0]?.result)
    expect(metas[1]?.traceback).to.equal(metas[0]?.traceback)
    expect(app.backend.stored[1]?.options).to.deep.equal({ replyTo: 'oid', correlationId: 'z' })
  })

  it('passes over what has no id in a chain that has failed', async () => {
    await app.run({ task: 'bad', embed: { ...NO_EMBED, chain: [signature('b')] } })
    expect(app.backend.metas).to.have.length(1)
  })

  it('sends an errback that is not here with the id of the failed task, in a group', async () => {
    await app.run({ task: 'bad', embed: { ...NO_EMBED, errbacks: [signature('alarm', ['x'])] } })
    expect(app.sender.last).to.deep.include({ task: 'alarm', args: ['id-1', 'x'] })
    expect(app.sender.last.options).to.deep.include({ ...lineage, groupIndex: 0 })
    expect(app.sender.last.options.groupId).to.be.a('string')
  })

  it('calls an errback here when it takes more than one argument', async () => {
    const calls: unknown[][] = []
    app.task('onError', (...args: unknown[]) => void calls.push(args))
    app.task('alone', (id: string) => void id)
    app.task('bound', { bind: true }, (_self, a: string, b: string) => a + b)
    const errbacks = ['onError', 'alone', 'bound'].map((name) => signature(name))
    await app.run({ task: 'bad', embed: { ...NO_EMBED, errbacks } })
    expect(calls).to.have.length(1)
    const [request, error, traceback] = calls[0] ?? []
    expect(request).to.have.property('id', 'id-1')
    expect(error).to.be.instanceOf(RangeError)
    expect(traceback).to.match(/^Traceback/)
    expect(app.sender.sent.map(({ task }) => task)).to.deep.equal(['alone', 'bound'])
  })

  it('gives an immutable errback only its own arguments', async () => {
    const calls: unknown[][] = []
    app.task('onError', (...args: unknown[]) => void calls.push(args))
    const errbacks = [signature('onError', ['mine'], {}, { immutable: true })]
    await app.run({ task: 'bad', embed: { ...NO_EMBED, errbacks } })
    expect(calls).to.deep.equal([['mine']])
  })

  it('logs an errback that throws, and goes on with the others', async () => {
    app.task('onError', (_request: unknown, _error: unknown) => {
      throw new Error('errback broke')
    })
    const errbacks = [signature('onError'), signature('alarm')]
    const outcome = await app.run({ task: 'bad', embed: { ...NO_EMBED, errbacks } })
    expect(outcome).to.include({ state: 'FAILURE' })
    expect(app.backend.last.result).to.deep.include({ exc_message: ['no'] })
    expect(app.sender.last.task).to.equal('alarm')
    expect(app.logged.join()).to.match(/Errback onError of bad\[id-1\] raised/)
  })
})

function step(task: string, id: string): SignatureDict {
  return signature(task, [], {}, { options: { task_id: id, reply_to: 'oid' } })
}
