/** Which queues a message reaches, as kombu works it out. */

import { expect } from 'chai'
import { lookup, topicPattern, type VirtualBinding } from '../../../protocol/virtual/exchange.ts'

const bind = (queue: string, routingKey: string): VirtualBinding => ({ queue, routingKey })

describe('the exchange types that we work out ourselves', () => {
  it('sends by direct to each queue that is bound to the very key, once', () => {
    const bindings = [bind('a', 'k'), bind('b', 'other'), bind('c', 'k'), bind('a', 'k')]
    expect(lookup('direct', bindings, 'k')).to.deep.equal(['a', 'c'])
  })

  it('sends by fanout to every queue', () => {
    expect(lookup('fanout', [bind('a', 'x'), bind('b', '')], 'k')).to.deep.equal(['a', 'b'])
  })

  // Answers of kombu 5.6.2's TopicExchange.
  const TOPIC: readonly [pattern: string, key: string, matches: boolean][] = [
    ['a.*', 'a.b', true],
    ['a.*', 'a.b.c', true],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a.c', false],
    ['a.#', 'a', false],
    ['a.#', 'a.', true],
    ['a.#', 'a.b.c', true],
    ['#', '', true],
    ['*', '', false],
    ['lit.eral-x+y', 'lit.eral-x+y', true],
    ['lit.eral-x+y', 'litxeral-x+y', false],
    ['task.*', 'xtask.a', false],
    ['a*', 'aa', true],
    ['a*', 'ab', false],
  ]
  for (const [pattern, key, matches] of TOPIC) {
    it(`${matches ? 'matches' : 'does not match'} '${key}' to the topic '${pattern}'`, () => {
      expect(lookup('topic', [bind('q', pattern)], key)).to.deep.equal(matches ? ['q'] : [])
    })
  }

  it("writes a topic as Python's regular expression, as kombu stores it", () => {
    expect(topicPattern('a.#')).to.equal('^a\\..*?$')
    expect(topicPattern('a.*.c')).to.equal('^a\\..*?[^\\.]\\.c$')
    expect(topicPattern('lit.eral-x+y')).to.equal('^lit\\.eral\\-x\\+y$')
    expect(topicPattern('žluť.\0 🎉')).to.equal('^žluť\\.\\000\\ \\🎉$')
  })

  it('matches by the pattern that was stored, not by the key', () => {
    const stored = { queue: 'q', routingKey: 'a.b', pattern: '^x$' }
    expect(lookup('topic', [stored], 'x')).to.deep.equal(['q'])
    expect(lookup('topic', [stored], 'a.b')).to.deep.equal([])
  })

  it('takes a stored pattern that is no regular expression for no match', () => {
    const bindings = [{ queue: 'q', routingKey: 'a', pattern: '^(' }, bind('r', 'a')]
    expect(lookup('topic', bindings, 'a')).to.deep.equal(['r'])
  })

  it('keeps its patterns in bounds', () => {
    for (let i = 0; i < 5000; i++) lookup('topic', [bind('q', `k${i}.*`)], `k${i}.x`)
    expect(lookup('topic', [bind('q', 'k0.*')], 'k0.x')).to.deep.equal(['q'])
  })
})
