/** Plans of calls, chains and groups, compared with what Celery sends. */

import { expect } from 'chai'
import { dumps } from '../../protocol/serialization/json.ts'
import { signature, type SignatureDict } from '../../protocol/signature.ts'
import type { Plan, PlanEnvironment } from '../../src/canvas/plan.ts'
import { freeze, plan } from '../../src/canvas/planner.ts'
import { capture, walk } from '../protocol/captures.ts'

const ADD = (...args: unknown[]): SignatureDict => signature('wire.add', args)
const MUL = (...args: unknown[]): SignatureDict => signature('wire.mul', args)

function chainOf(
  tasks: readonly SignatureDict[],
  options: SignatureDict['options'] = {},
): SignatureDict {
  return signature('celery.chain', [], { tasks }, { options, subtask_type: 'chain' })
}

function groupOf(...tasks: readonly SignatureDict[]): SignatureDict {
  return signature('celery.group', [], { tasks }, { subtask_type: 'group' })
}

/** Hands out the ids of a list, in order. */
function environment(ids: readonly string[], more: Partial<PlanEnvironment> = {}): PlanEnvironment {
  const left = [...ids]
  const nextId = (): string => left.shift() ?? 'no more ids'
  return { nextId, replyTo: 'oid', ...more }
}

/** The body of the one message that a plan sends, as Celery writes it. */
function bodyOf({ calls }: Plan): string {
  const [call] = calls
  const { chain = null, link = null, link_error = null } = call?.options ?? {}
  return dumps([
    call?.args,
    call?.kwargs,
    { callbacks: link, errbacks: link_error, chain, chord: null },
  ])
}

/** The rest of the chain that the first message of a plan carries. */
function chainOfCall({ calls }: Plan): readonly SignatureDict[] {
  return (calls[0]?.options['chain'] ?? []) as readonly SignatureDict[]
}

interface Captured {
  readonly id: string
  readonly replyTo: string
  readonly body: string
  readonly chainIds: readonly string[]
}

/** The one message of a capture. */
function captured(name: string): Captured {
  for (const value of walk(capture(name))) {
    const found = value as {
      body_bytes?: string
      envelope?: { headers: { id: string }; properties: { reply_to: string } }
    } | null
    if (typeof found?.body_bytes !== 'string' || found.envelope === undefined) continue
    const body = JSON.parse(found.body_bytes) as [unknown, unknown, { chain: SignatureDict[] }]
    return {
      id: found.envelope.headers.id,
      replyTo: found.envelope.properties.reply_to,
      body: found.body_bytes,
      chainIds: body[2].chain.map(({ options }) => String(options['task_id'])),
    }
  }
  throw new Error(`${name} has no message`)
}

/** Celery freezes the last task first: ids are drawn in that order. */
function asCelery({ id, replyTo, chainIds }: Captured): PlanEnvironment {
  return environment([...chainIds, id], { replyTo })
}

describe('the plan of a chain', () => {
  it('is what Celery 5.6 sends for chain(add.s(1, 2), mul.s(3), ret.s()) (562.redis.chain)', () => {
    const golden = captured('562.redis.chain')
    const made = plan(chainOf([ADD(1, 2), MUL(3), signature('wire.ret')]), asCelery(golden))
    expect(bodyOf(made)).to.equal(golden.body)
    expect(made.calls[0]?.options['task_id']).to.equal(golden.id)
    expect(made.result.id).to.equal(golden.chainIds[0])
    expect(made.result.parent?.parent?.id).to.equal(golden.id)
  })

  it('has its errback at every task, after the ids (562.redis.chain-link-error)', () => {
    const golden = captured('562.redis.chain-link-error')
    const fail = signature('wire.fail', [], {}, { immutable: true })
    const made = plan(chainOf([ADD(1, 2), fail]), asCelery(golden), {
      args: [],
      kwargs: {},
      options: { link_error: [signature('wire.onerr_new')] },
    })
    expect(bodyOf(made)).to.equal(golden.body)
  })

  it('keeps the stamps of its tasks (562.redis.stamps-chain)', () => {
    const golden = captured('562.redis.stamps-chain')
    const options = { tenant: 'acme', stamped_headers: ['tenant'] }
    const made = plan(
      chainOf([
        { ...ADD(1, 2), options },
        { ...MUL(3), options },
      ]),
      asCelery(golden),
    )
    expect(bodyOf(made)).to.equal(golden.body)
  })

  it('joins its tasks by link for task protocol 1', () => {
    const made = plan(chainOf([ADD(1, 2), MUL(3)]), environment(['b', 'a'], { useLink: true }))
    const linked = { ...MUL(3), options: { task_id: 'b', reply_to: 'oid' } }
    expect(made.calls).to.have.length(1)
    expect(made.calls[0]?.options).to.deep.include({ task_id: 'a', link: [linked] })
    expect(made.calls[0]?.options).not.to.have.property('chain')
  })

  it('gives its own id, group and link to its last task, and the given arguments to its first', () => {
    const link = signature('wire.notify')
    const made = plan(chainOf([ADD(2), MUL(3)]), environment(['first']), {
      args: [1],
      kwargs: {},
      options: { task_id: 'last', group_id: 'g', group_index: 4, link: [link], queue: 'fast' },
    })
    const [call] = made.calls
    expect(call?.args).to.deep.equal([1, 2])
    expect(call?.options).to.deep.include({ task_id: 'first', queue: 'fast' })
    expect(call?.options).not.to.have.any.keys('group_id', 'group_index', 'link')
    expect(chainOfCall(made)[0]?.options).to.deep.equal({
      task_id: 'last',
      reply_to: 'oid',
      group_id: 'g',
      group_index: 4,
      link: [link],
    })
  })

  it('puts its tasks before the rest of a chain that it is sent within', () => {
    const rest = signature('wire.after', [], {}, { options: { task_id: 'z' } })
    const made = plan(chainOf([ADD(1), MUL(2)]), environment(['b', 'a']), {
      args: [],
      kwargs: {},
      options: { chain: [rest] },
    })
    const chain = chainOfCall(made)
    expect(chain.map(({ task }) => task)).to.deep.equal(['wire.after', 'wire.mul'])
  })

  it('splices nested chains, and unrolls a group of one', () => {
    const onError = signature('wire.oops')
    const nested = chainOf([MUL(3), groupOf(MUL(4))], { link_error: [onError] })
    const made = plan(chainOf([ADD(1, 2), nested, ADD(5)]), environment(['d', 'c', 'b', 'a']))
    const chain = chainOfCall(made)
    expect(chain.map(({ args, options }) => [args[0], options['task_id']])).to.deep.equal([
      [5, 'd'],
      [4, 'c'],
      [3, 'b'],
    ])
    expect(chain[2]?.options['link_error']).to.deep.equal([onError])
    expect(chain[0]?.options).not.to.have.property('link_error')
  })

  it('may end with a group, whose members are sent when it is reached', () => {
    const made = plan(
      chainOf([ADD(1, 2), groupOf(ADD(3), ADD(4))]),
      environment(['g', 'c', 'd', 'a']),
    )
    expect(made.calls).to.have.length(1)
    const [group] = chainOfCall(made)
    expect(group?.subtask_type).to.equal('group')
    expect(made.result.members?.map(({ id }) => id)).to.deep.equal(['c', 'd'])
    expect(made.result.parent?.id).to.equal('a')
  })

  it('is refused when it is empty', () => {
    expect(() => plan(chainOf([]), environment([]))).to.throw(/without tasks/)
  })
})

describe('the plan of a group', () => {
  it('sends each member with the id of the group and its own index', () => {
    const made = plan(groupOf(ADD(1), ADD(2)), environment(['g', 'a', 'b']), {
      args: [9],
      kwargs: {},
      options: { root_id: 'r', parent_id: 'p' },
    })
    expect(made.calls.map(({ args }) => args)).to.deep.equal([
      [9, 1],
      [9, 2],
    ])
    expect(made.calls.map(({ options }) => options)).to.deep.equal([
      { ...shared, task_id: 'a', group_index: 0 },
      { ...shared, task_id: 'b', group_index: 1 },
    ])
    expect(made.result).to.deep.include({ id: 'g', parent: null })
    expect(made.result.members?.map(({ id }) => id)).to.deep.equal(['a', 'b'])
  })

  const shared = {
    root_id: 'r',
    reply_to: 'oid',
    group_id: 'g',
    parent_id: 'p',
    add_to_parent: false,
  }

  it('has the last task of a chain stand for it', () => {
    const made = plan(groupOf(chainOf([ADD(1), MUL(2)])), environment(['g', 'b', 'a']))
    const [call] = made.calls
    expect(call?.options['task_id']).to.equal('a')
    expect(call?.options).not.to.have.property('group_id')
    const [last] = chainOfCall(made)
    expect(last?.options).to.deep.include({ task_id: 'b', group_id: 'g', group_index: 0 })
    expect(made.result.members?.[0]?.id).to.equal('b')
  })
})

describe('the plan of one task', () => {
  it('puts given arguments first, and lets given options win', () => {
    const partial = signature('t', [3], { a: 1, b: 2 }, { options: { queue: 'x', priority: 1 } })
    const made = plan(partial, environment(['id']), {
      args: [1, 2],
      kwargs: { b: 3 },
      options: { queue: 'y', countdown: null },
    })
    expect(made.calls).to.deep.equal([
      {
        task: 't',
        args: [1, 2, 3],
        kwargs: { a: 1, b: 3 },
        options: { queue: 'y', priority: 1, task_id: 'id' },
      },
    ])
  })

  it('keeps the arguments of an immutable signature, and a group id and stamps once set', () => {
    const options = { group_id: 'g', stamped_headers: ['s'], s: 'mine' }
    const sig = signature('t', [1], {}, { options, immutable: true })
    const made = plan(sig, environment(['id']), {
      args: [9],
      kwargs: { k: 1 },
      options: { group_id: 'other', s: 'yours', stamped_headers: [] },
    })
    expect(made.calls[0]).to.deep.equal({
      task: 't',
      args: [1],
      kwargs: {},
      options: { ...options, task_id: 'id' },
    })
  })

  it('is the same for map and starmap, which are tasks of their own', () => {
    const map = signature('celery.map', [], { task: ADD(), it: [1] }, { immutable: true })
    expect(plan(map, environment(['id'])).calls[0]?.task).to.equal('celery.map')
  })

  it('is refused for a type that nobody knows', () => {
    const odd = signature('t', [], {}, { subtask_type: 'fountain' })
    expect(() => plan(odd, environment([]))).to.throw(/unknown type 'fountain'/)
  })
})

describe('freezing', () => {
  it('keeps an id and a reply_to that are there', () => {
    const sig = { ...ADD(1), options: { task_id: 'mine', reply_to: 'me' } }
    const frozen = freeze(sig, environment(['new']), { taskId: 'given', rootId: 'r' })
    expect(frozen.signature.options).to.deep.equal({
      task_id: 'mine',
      reply_to: 'me',
      root_id: 'r',
    })
    expect(frozen.result.id).to.equal('mine')
  })

  it('gives a chain the id of its last task', () => {
    const frozen = freeze(chainOf([ADD(1), MUL(2)]), environment(['first']), { taskId: 'last' })
    expect(frozen.result).to.deep.equal({ id: 'last', parent: { id: 'first', parent: null } })
    const again = plan(frozen.signature, environment([]))
    expect(again.calls[0]?.options['task_id']).to.equal('first')
    expect(again.result.id).to.equal('last')
  })

  it('does not change what it is given', () => {
    const sig = ADD(1)
    freeze(sig, environment(['id']))
    expect(sig).to.deep.equal(ADD(1))
  })
})
