/** Which stamps a canvas and its parts bear. Compared with Celery in golden.test.ts; here is what that cannot show. */

import { strict as assert } from 'node:assert'
import { stamp, type StampingVisitor } from '../../src/canvas/stamp.ts'
import { chainOf, chordOf, groupOf } from '../../src/canvas/primitives.ts'
import { signature, type SignatureDict } from '../../protocol/signature.ts'

const A = signature('a')
const B = signature('b')
const C = signature('c')

/** Of each task, its stamps. */
function stampsOf(of: SignatureDict, found: Record<string, unknown> = {}): Record<string, unknown> {
  const { link, link_error: linkError, stamped_headers: names, ...stamps } = of.options
  const parts = [of.kwargs['tasks'], of.kwargs['header'], of.kwargs['body'], link, linkError]
  for (const part of parts.flat()) if (part) stampsOf(part as SignatureDict, found)
  if (of.subtask_type !== null) return found
  assert.deepEqual(
    [...((names ?? []) as string[])].toSorted(),
    Object.keys(stamps).toSorted(),
    of.task,
  )
  return Object.assign(found, { [of.task]: stamps })
}

describe('stamp', () => {
  it('gives the stamps to every task of a chain and of a group, and to their links', () => {
    const linked = { ...A, options: { link: B, link_error: [C] } }
    for (const canvas of [linked, chainOf([linked]), groupOf([linked])]) {
      const stamps = { a: { who: 'me' }, b: { who: 'me' }, c: { who: 'me' } }
      assert.deepEqual(stampsOf(stamp(canvas, { who: 'me' })), stamps)
    }
  })

  it('leaves a link that is a bare signature bare', () => {
    const { options } = stamp({ ...A, options: { link: B } }, { who: 'me' })
    assert.deepEqual(options['link'], { ...B, options: { who: 'me', stamped_headers: ['who'] } })
  })

  it('stamps the body of a chord only when a visitor does', () => {
    const chord = chordOf([A, B], C)
    assert.deepEqual(stampsOf(stamp(chord, { who: 'me' })), {
      a: { who: 'me' },
      b: { who: 'me' },
      c: {},
    })
    const visited = stamp(chord, { onSignature: ({ task }) => ({ name: task }) })
    assert.deepEqual(stampsOf(visited), { a: { name: 'a' }, b: { name: 'b' }, c: { name: 'c' } })
  })

  it('calls the hooks in the order of Celery', () => {
    const calls: string[] = []
    const note = (hook: string) => (at: SignatureDict) => {
      calls.push(`${hook} ${at.task}`)
      return {}
    }
    const visitor: StampingVisitor = {
      onSignature: note('signature'),
      onChainStart: note('chainStart'),
      onChainEnd: note('chainEnd'),
      onGroupStart: note('groupStart'),
      onGroupEnd: note('groupEnd'),
      onChordBody: note('body'),
      onCallback: note('callback'),
      onErrback: note('errback'),
    }
    stamp(
      chainOf([{ ...A, options: { link: [B], link_error: C } }, chordOf([B], groupOf([C]))]),
      visitor,
    )
    assert.deepEqual(calls, [
      'chainStart celery.chain',
      'callback b',
      'signature b',
      'errback c',
      'signature c',
      'signature a',
      'groupStart celery.group',
      'signature b',
      'groupEnd celery.group',
      'body celery.chord',
      'groupStart celery.group',
      'signature c',
      'groupEnd celery.group',
      'chainEnd celery.chain',
    ])
  })

  it('tells the hooks the stamps so far, and hands those of a group down', () => {
    const seen: unknown[] = []
    const stamped = stamp(groupOf([A]), {
      onGroupStart: () => ({ group: 1 }),
      onSignature: (_, headers) => void seen.push(headers),
    })
    assert.deepEqual(seen, [{ group: 1, stampedHeaders: ['group'] }])
    assert.deepEqual(stampsOf(stamped), { a: { group: 1 } })
  })

  it('takes what is not named in stampedHeaders for a plain option', () => {
    const { options } = stamp(A, {
      onSignature: () => ({ who: 'me', priority: 3, stampedHeaders: ['who'] }),
    })
    assert.deepEqual(options, { who: 'me', priority: 3, stamped_headers: ['who'] })
  })

  it('keeps the newer of two stamps, or both when they are to be appended', () => {
    const once = stamp(A, { who: 'me' })
    assert.equal(stamp(once, { who: 'you' }).options['who'], 'you')
    assert.deepEqual(stamp(once, { who: 'you' }, { append: true }).options['who'], ['you', 'me'])
    assert.deepEqual(stamp(once, { other: 1 }).options['stamped_headers'], ['other', 'who'])
  })

  it('changes nothing that it was given, and takes any name', () => {
    const chain = Object.freeze(chainOf([Object.freeze(A)]))
    const stamps = JSON.parse('{"__proto__": 1, "constructor": 2}') as Record<string, unknown>
    const [first] = stamp(chain, stamps).kwargs['tasks'] as SignatureDict[]
    assert.deepEqual(first?.options['stamped_headers'], ['__proto__', 'constructor'])
    assert.equal(Object.hasOwn(first?.options ?? {}, '__proto__'), true)
  })
})
