/** Whether a chord on a backend that does not count is looked after, as Celery looks after it. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { signature, type SignatureDict } from '../../protocol/signature.ts'
import { chordOf, groupOf } from '../../src/canvas/primitives.ts'
import { Celery } from '../../src/celery.ts'
import type { SettingsInput } from '../../src/conf/settings.ts'
import type { Delivery } from '../../src/messaging/transport.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { sendSignature } from '../../src/task/dispatch.ts'
import { capture } from '../protocol/captures.ts'
import { exception, meta } from '../support/backend.ts'
import { until } from '../support/until.ts'
import { Harness } from '../worker/harness.ts'
import { sent, take } from './sent.ts'

/** A message of the capture: what Celery pushed last comes first. */
interface Captured {
  readonly body_bytes: string
  readonly body_json: readonly [readonly unknown[], Readonly<Record<string, unknown>>, unknown]
  readonly envelope: {
    readonly headers: Readonly<Record<string, unknown>>
    readonly properties: Readonly<Record<string, unknown>>
  }
}

function captured(): { readonly parts: readonly Captured[]; readonly unlock: Captured } {
  const { captured: keys } = capture('562.redis.chord-unlock-message') as {
    captured: { celery: { value: readonly Captured[] } }
  }
  const messages = keys.celery.value.toReversed()
  const [unlock, ...parts] = messages
  if (unlock === undefined) throw new Error('the capture is empty')
  return { unlock, parts }
}

describe('a chord on a backend that does not count', () => {
  let directory: string
  let apps: Celery[] = []
  let names = 0

  before(async () => (directory = await mkdtemp(join(tmpdir(), 'celeriac-unlock-'))))
  after(() => rm(directory, { recursive: true }))
  afterEach(async () => {
    await Promise.all(apps.map((app) => app.close()))
    apps = []
  })

  const open = (settings: SettingsInput = {}): Celery => {
    const brokerUrl = `memory://chord-unlock-${(names += 1)}`
    const given = { brokerUrl, resultBackend: `file://${directory}`, ...settings }
    const app = new Celery('test', given, { logger: SILENT, env: {} })
    apps.push(app)
    return app
  }

  const add = signature('add', [1, 1])
  const sum = (options: Record<string, unknown> = {}): SignatureDict =>
    signature('tsum', [], {}, { options })
  const unlockOf = async (app: Celery, body: SignatureDict, queue: string): Promise<Delivery> => {
    await sendSignature(app, chordOf(groupOf([add, add]), body))
    return await sent(app, queue)
  }

  it('is looked after by the message that Celery sends, before its header', async () => {
    const { unlock, parts } = captured()
    const [[groupId, body]] = unlock.body_json as unknown as [[string, SignatureDict]]
    const members = parts.map(({ body_json: [args], envelope: { headers } }) =>
      signature('wire.add', args, {}, { options: { task_id: headers['id'] } }),
    )
    const app = open()
    const header = { ...groupOf(members), options: { task_id: groupId } }
    const bare = signature('wire.tsum', [], {}, { options: { task_id: body.options['task_id'] } })
    await sendSignature(app, chordOf(header, bare))

    const { headers, properties, body: bytes } = (await sent(app)).message
    const replyTo = String(body.options['reply_to'])
    expect(bytes.toString().replaceAll(app.oid, replyTo)).to.equal(unlock.body_bytes)
    const { id, eta, root_id: root, origin: _, argsrepr: __, kwargsrepr: ___, ...ours } = headers
    const {
      id: _id,
      root_id: _root,
      origin: _o,
      argsrepr: _a,
      kwargsrepr: _k,
      ...rest
    } = unlock.envelope.headers
    const { eta: _eta, ...theirs } = rest
    expect({ ...ours, lang: 'py' }).to.deep.equal(theirs)
    expect(root).to.equal(id)
    const seconds = (Date.parse(String(eta)) - Date.now()) / 1000
    expect(seconds).to.be.within(-30, 1)
    expect(properties).to.include({ priority: 0, correlationId: id, deliveryMode: 2 })
    for (const part of parts) {
      const { message } = await sent(app)
      expect(message.headers['task']).to.equal('wire.add')
      expect(message.body.toString().replaceAll(app.oid, replyTo)).to.equal(part.body_bytes)
    }
    expect(await take(app)).to.equal(undefined)
  })

  it('is looked after where its body goes: by its own queue, its task’s, or its route', async () => {
    const places: readonly (readonly [SignatureDict, string, number])[] = [
      [sum({ queue: 'mine', priority: 5 }), 'mine', 5],
      [sum(), 'sums', 0],
      [signature('here'), 'tasks', 7],
      [signature('elsewhere'), 'others', 0],
    ]
    for (const [body, queue, priority] of places) {
      const app = open({ taskRoutes: { tsum: 'sums' }, taskDefaultQueue: 'others' })
      app.task('here', { queue: 'tasks', priority: 7 }, () => null)
      const { message } = await unlockOf(app, body, queue)
      expect(message.headers['task']).to.equal('celery.chord_unlock')
      expect(message.properties).to.include({ priority })
    }
  })

  describe('in a worker', () => {
    let harness: Harness
    const handled: unknown[] = []

    before(async () => {
      const resultBackend = `file://${directory}`
      harness = new Harness({ resultBackend, resultChordRetryInterval: 0.02 })
      harness.app.task('add', (x: number, y: number) => x + y)
      harness.app.task('fail', () => {
        throw new RangeError('boom')
      })
      harness.app.task('echo', (...args: unknown[]) => args)
      harness.app.task('errback', (id: string) => void handled.push(id))
      await harness.started()
    })
    after(() => harness.close())

    let bodies = 0
    const unlock = async (
      result: readonly unknown[],
      body: Partial<SignatureDict> = {},
    ): Promise<string> => {
      const id = `unlock-body-${(bodies += 1)}`
      const options = { task_id: id, ...body.options }
      const kwargs = { interval: null, max_retries: null, result }
      const callback = { ...signature('echo'), ...body, options }
      await harness.app.sendTask('celery.chord_unlock', [`g-${id}`, callback], { kwargs })
      return id
    }
    const value = (id: string): Promise<unknown> => harness.app.asyncResult(id).get({ timeout: 30 })
    const failure = (id: string): Promise<Error> =>
      value(id).then(
        () => {
          throw new Error('no failure')
        },
        (error: unknown) => error as Error,
      )

    it('ends in its body, with the results in the order of the header', async () => {
      const members = Array.from({ length: 12 }, (_, index) => signature('add', [index, 1]))
      const body = signature('echo')
      const result = await sendSignature(harness.app, chordOf(groupOf(members), body))
      const expected = members.map((_, index) => index + 1)
      expect(await result.get({ timeout: 30 })).to.deep.equal([expected])
    })

    it('has its body fail when a part fails, and calls its errback', async () => {
      const body = signature(
        'echo',
        [],
        {},
        { options: { link_error: [signature('errback', [], {}, { immutable: false })] } },
      )
      const header = groupOf([signature('add', [1, 1]), signature('fail')])
      const result = await sendSignature(harness.app, chordOf(header, body))
      const error = await failure(result.id)
      expect(error.name).to.equal('ChordError')
      expect(error.message).to.match(/^Dependency \S+ raised RangeError\('boom'\)$/)
      await until(() => handled.includes(result.id))
    })

    it('waits with groups in the header, and gives their results as lists', async () => {
      const inner = [
        ['inner', null],
        [
          [['in-1', null], null],
          [['in-2', null], null],
        ],
      ]
      const id = await unlock([inner, [['out', [['before', null], null]], null]])
      for (const member of ['in-1', 'in-2', 'out'])
        await harness.app.backend.store(meta(member, 'SUCCESS', member))
      expect(await value(id)).to.deep.equal([[['in-1', 'in-2'], 'out']])
    })

    it('has its body fail when a result can never be read', async () => {
      await harness.app.backend.store(meta('readable', 'SUCCESS', 1))
      const id = await unlock([
        [['readable', null], null],
        [['../escaped', null], null],
      ])
      const error = await failure(id)
      expect(error.name).to.equal('ChordError')
      expect(error.message).to.include('Join error').and.include('slash')
    })

    it('tells which part failed when it was revoked', async () => {
      await harness.app.backend.store(
        meta('gone', 'REVOKED', exception('TaskRevokedError', ['revoked'], 'celery.exceptions')),
      )
      const error = await failure(await unlock([[['gone', null], null]]))
      expect(error.message).to.equal("Dependency gone raised TaskRevokedError('revoked')")
    })
  })
})
