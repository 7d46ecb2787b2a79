/** Publisher confirms: in any order, several at once, with returns in between. */

import { expect } from 'chai'
import fc from 'fast-check'
import { OperationalError, UnroutableError } from '../../../src/errors.ts'
import { Confirms } from '../../../src/transports/amqp/confirms.ts'
import { message } from '../../contracts/transport.ts'

type Outcome = 'waits' | 'resolved' | Error

function published(count: number, mandatory = false): [Confirms, Outcome[]] {
  const confirms = new Confirms()
  const outcomes: Outcome[] = Array<Outcome>(count).fill('waits')
  for (let n = 0; n < count; n += 1) {
    confirms.add({
      message: message(`body ${n}`),
      exchange: '',
      routingKey: 'q',
      mandatory,
      resolve: () => (outcomes[n] = 'resolved'),
      reject: (error) => (outcomes[n] = error),
    })
  }
  return [confirms, outcomes]
}

describe('publisher confirms', () => {
  it('settle one message, or all up to one', () => {
    const [confirms, outcomes] = published(5)
    confirms.ack(4, false)
    expect(outcomes).to.deep.equal(['waits', 'waits', 'waits', 'resolved', 'waits'])
    confirms.nack(1, false)
    expect(outcomes[0]).to.be.instanceOf(OperationalError)
    confirms.ack(3, true)
    expect(outcomes.slice(1)).to.deep.equal(['resolved', 'resolved', 'resolved', 'waits'])
    expect(confirms.size).to.equal(1)
  })

  it('settle each message once, whatever the broker answers in which order', () => {
    const answer = fc.record({
      tag: fc.integer({ min: 0, max: 25 }),
      multiple: fc.boolean(),
      positive: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 }), fc.array(answer), (count, answers) => {
        const [confirms, outcomes] = published(count)
        const expected: (boolean | undefined)[] = Array<undefined>(count).fill(undefined)
        for (const { tag, multiple, positive } of answers) {
          if (positive) confirms.ack(tag, multiple)
          else confirms.nack(tag, multiple)
          for (let n = 1; n <= count; n += 1) {
            const meant = multiple ? tag === 0 || n <= tag : n === tag
            if (meant) expected[n - 1] ??= positive
          }
        }
        const left = expected.filter((outcome) => outcome === undefined).length
        expect(confirms.size).to.equal(left)
        confirms.fail(() => new Error('gone'))
        expect(outcomes.map((outcome) => outcome === 'resolved')).to.deep.equal(
          expected.map((positive) => positive ?? false),
        )
        expect(outcomes).to.not.include('waits')
      }),
    )
  })

  it('reject the message that came back, and no other', () => {
    const [confirms, outcomes] = published(3, true)
    const { body } = message('body 1')
    confirms.return({ exchange: '', routingKey: 'q', correlationId: undefined, body })
    confirms.ack(3, true)
    expect(outcomes[0]).to.equal('resolved')
    expect(outcomes[1]).to.be.instanceOf(UnroutableError)
    expect(outcomes[2]).to.equal('resolved')
  })
})
