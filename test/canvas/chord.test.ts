/** Plans of chords, compared with what Celery sends, and what they tell the backend. */

import { expect } from 'chai'
import { dumps } from '../../protocol/serialization/json.ts'
import { signature, type SignatureDict } from '../../protocol/signature.ts'
import type { Plan, PlanEnvironment, PlannedCall } from '../../src/canvas/plan.ts'
import { freeze, plan } from '../../src/canvas/planner.ts'
import { chainOf, chordOf, endsOf, groupOf } from '../../src/canvas/primitives.ts'
import { capture, walk } from '../protocol/captures.ts'

const ADD = (...args: unknown[]): SignatureDict => signature('wire.add', args)
const SUM = signature('wire.tsum')

interface Captured {
  readonly id: string
  readonly group: string | null
  readonly index: number
  readonly replyTo: string
  readonly body: string
}

/** The messages of a capture, in the order of the header. */
function captured(name: string): readonly Captured[] {
  const found: Captured[] = []
  for (const value of walk(capture(name))) {
    const { body_bytes: body, envelope } = (value ?? {}) as {
      body_bytes?: string
      envelope?: {
        headers: { id: string; group: string | null; group_index: number | null }
        properties: { reply_to: string }
      }
    }
    if (typeof body !== 'string' || envelope === undefined) continue
    const { id, group, group_index: index } = envelope.headers
    found.push({ id, group, index: index ?? 0, replyTo: envelope.properties.reply_to, body })
  }
  return found.toSorted((a, b) => a.index - b.index)
}

/** Hands out the ids of a list, in order. */
function environment(ids: readonly string[], more: Partial<PlanEnvironment> = {}): PlanEnvironment {
  const left = [...ids]
  return { nextId: () => left.shift() ?? 'no more ids', replyTo: 'oid', ...more }
}

/** Hands out `1`, `2`, … */
function numbers(more: Partial<PlanEnvironment> = {}): PlanEnvironment {
  let last = 0
  return { nextId: () => String((last += 1)), replyTo: 'oid', ...more }
}

function bodyOf({ args, kwargs, options }: PlannedCall): string {
  const { chain = null, link = null, link_error = null, chord = null } = options
  return dumps([args, kwargs, { callbacks: link, errbacks: link_error, chain, chord }])
}

function idsIn(text: string): readonly string[] {
  return [...text.matchAll(/"task_id": "([^"]+)"/g)].map(([, id]) => id ?? '')
}

describe('the plan of a chord', () => {
  it('is what Celery 5.6 sends for chord([add.s(1, 1), add.s(2, 2)], tsum.s()) (562.redis.chord)', () => {
    const golden = captured('562.redis.chord')
    const [first] = golden
    const ids = [first?.group ?? '', ...idsIn(first?.body ?? ''), ...golden.map(({ id }) => id)]
    const made = plan(
      chordOf([ADD(1, 1), ADD(2, 2)], SUM),
      environment(ids, { replyTo: first?.replyTo ?? '' }),
    )
    expect(made.calls.map(bodyOf)).to.deep.equal(golden.map(({ body }) => body))
    expect(
      made.calls.map(({ options }) => [options['task_id'], options['group_id']]),
    ).to.deep.equal(golden.map(({ id, group }) => [id, group]))
    expect(made.chords?.map(({ size, header }) => [header.id, size])).to.deep.equal([
      [first?.group, 2],
    ])
    expect(made.result.parent?.id).to.equal(first?.group)
  })

  it('has a chain for its body (562.redis.chord-chain)', () => {
    const golden = captured('562.redis.chord-chain')
    const [first] = golden
    const [sum, ret] = idsIn(first?.body ?? '')
    const ids = [first?.group ?? '', ret ?? '', sum ?? '', ...golden.map(({ id }) => id)]
    const made = plan(
      chordOf([ADD(1, 1), ADD(2, 2)], chainOf([SUM, signature('wire.ret')])),
      environment(ids, { replyTo: first?.replyTo ?? '' }),
    )
    expect(made.calls.map(bodyOf)).to.deep.equal(golden.map(({ body }) => body))
    expect(line(made)).to.deep.equal([ret, sum, first?.group])
  })

  for (const release of ['562', '526']) {
    it(`stands in a chain in the place of a group with a successor (${release}.redis.chain-with-chord-middle)`, () => {
      const [golden] = captured(`${release}.redis.chain-with-chord-middle`)
      const { body = '', id = '', replyTo = '' } = golden ?? {}
      const { task_id: group } = ((
        JSON.parse(body) as [unknown, unknown, { chain: SignatureDict[] }]
      )[2].chain[0]?.options ?? {}) as { task_id: string }
      const members = [
        ...body.matchAll(/"args": \[[12]\], "kwargs": \{\}, "options": \{"task_id": "([^"]+)"/g),
      ]
      const sum = /"wire.tsum".*?"task_id": "([^"]+)"/.exec(body)?.[1] ?? ''
      const steps = [
        signature('wire.ret', [1], {}, { immutable: true }),
        groupOf([ADD(1), ADD(2)]),
        SUM,
      ]
      const ids = [sum, group, ...members.map(([, member]) => member ?? ''), id]
      const made = plan(chainOf(steps), environment(ids, { replyTo }))
      const [call, ...more] = made.calls
      expect(more).to.deep.equal([])
      expect(call === undefined ? '' : bodyOf(call)).to.equal(body)
      expect(made.chords).to.equal(undefined)
      expect(line(made)).to.deep.equal([sum, group, id])
    })
  }

  it('once frozen keeps its ids, and is not taken for its own body', () => {
    const frozen = freeze(chordOf([ADD(1)], chainOf([SUM, ADD(2)])), numbers())
    const made = plan(frozen.signature, environment([]))
    expect(made.result).to.deep.equal(frozen.result)
    const { chord } = made.calls[0]?.options ?? {}
    expect((chord as SignatureDict).options['task_id']).to.equal(frozen.result.id)
  })

  it('gives its options to the body and to each part, but what is for the body alone', () => {
    const rest = [signature('after')]
    const outer = signature('outer')
    const options = { queue: 'fast', root_id: 'r', parent_id: 'p', task_id: 'mine' }
    const made = plan(chordOf([ADD(1)], SUM), numbers(), {
      args: [9],
      kwargs: {},
      options: {
        ...options,
        chain: rest,
        chord: outer,
        group_id: 'o',
        group_index: 3,
        link: ['l'],
      },
    })
    const [part] = made.calls
    expect(part?.args).to.deep.equal([9, 1])
    expect(part?.options).to.deep.include({
      queue: 'fast',
      root_id: 'r',
      parent_id: 'p',
      group_index: 0,
    })
    expect(part?.options).not.to.have.any.keys('chain', 'link')
    expect(part?.options['group_id']).not.to.equal('o')
    const { chord } = (part?.options ?? {}) as { chord: SignatureDict }
    expect(chord.options).to.deep.include({
      task_id: 'mine',
      queue: 'fast',
      chain: rest,
      chord: outer,
      group_id: 'o',
      group_index: 3,
      link: ['l'],
    })
  })

  it('without a header is its body, with an empty list', () => {
    const made = plan(chordOf([], SUM), numbers())
    expect(made.calls.map(({ task, args }) => [task, args])).to.deep.equal([['wire.tsum', [[]]]])
    expect(made.chords).to.equal(undefined)
  })

  it('counts the ends of what is in its header, and each of them once', () => {
    const nested = chordOf([ADD(1), ADD(2)], SUM)
    const header = [chainOf([ADD(1), groupOf([ADD(2), ADD(3)])]), groupOf([ADD(4), ADD(5)]), nested]
    const made = plan(chordOf(header, signature('wire.ret')), numbers())
    expect(made.chords?.map(({ size }) => size)).to.deep.equal([5, 2])
    const indexes = made.calls.map(({ options }) => options['group_index'])
    expect(indexes).to.deep.equal([undefined, 1, 2, 0, 1])
    expect(header.map((part) => endsOf(part).length)).to.deep.equal([2, 2, 1])
  })

  it('has the last group of a chain in its header end as parts of its own', () => {
    const made = plan(chordOf([chainOf([ADD(1), groupOf([ADD(2), ADD(3)])])], SUM), numbers())
    const [group] = (made.calls[0]?.options['chain'] ?? []) as readonly SignatureDict[]
    const outer = made.chords?.[0]?.header.id
    const later = plan(group as SignatureDict, numbers(), { args: [2], kwargs: {}, options: {} })
    expect(later.chords).to.equal(undefined)
    expect(later.calls.map(({ args }) => args)).to.deep.equal([
      [2, 2],
      [2, 3],
    ])
    for (const { options } of later.calls) {
      expect(options['group_id']).to.equal(outer)
      expect((options['chord'] as SignatureDict).task).to.equal('wire.tsum')
    }
  })

  it('has its errbacks at the body, and at its header when the settings say so', () => {
    const onError = signature('oops')
    const sent = (errbacksOnHeader: boolean): readonly unknown[] => {
      const chain = chainOf([groupOf([ADD(1), ADD(2)]), SUM])
      const [part] = plan(chain, numbers({ errbacksOnHeader }), {
        args: [],
        kwargs: {},
        options: { link_error: [onError] },
      }).calls
      const { chord, link_error: own } = (part?.options ?? {}) as {
        chord: SignatureDict
        link_error: unknown
      }
      return [chord.options['link_error'], own]
    }
    expect(sent(false)).to.deep.equal([[onError], undefined])
    expect(sent(true)).to.deep.equal([[onError], [onError]])
  })

  it('is refused when it has no header, or no body', () => {
    const made = (kwargs: Record<string, unknown>): SignatureDict =>
      signature('celery.chord', [], kwargs, { subtask_type: 'chord' })
    expect(() => plan(made({ body: SUM }), numbers())).to.throw(/no header/)
    expect(() => plan(made({ header: [ADD(1)] }), numbers())).to.throw(/no body/)
  })
})

/** The ids of a result and of what comes before it. */
function line({ result }: Plan): readonly string[] {
  const ids: string[] = []
  for (let at: Plan['result'] | null = result; at !== null; at = at.parent) ids.push(at.id)
  return ids
}
