/** Every capture is read by a test, or is left out for a reason that is written down. */

import { existsSync } from 'node:fs'
import { expect } from 'chai'
import { captureNames } from './captures.ts'

/** Which test reads which captures. */
const READ_BY: readonly (readonly [files: RegExp, test: string])[] = [
  [
    /^5\d\d\.\w+\.(task-|v1-|serializer-|compression-|json-|argsrepr-|chain|chord|group$|chunks|map|starmap|stamps)/,
    'task/golden.test.ts',
  ],
  [/^5\d\d\.canvas\./, '../canvas/golden.test.ts'],
  [/^5\d\d\.redis\.(result-|backend-|group-meta|chord-part-return$)/, 'result.test.ts'],
  [/^5\d\d\.amqp\.result-rpc-/, 'result.test.ts'],
  [/^5\d\d\.redis\.transport\./, 'virtual/redis-keys.test.ts'],
  [/^5\d\d\.(amqp|redis)\.pidbox-/, 'pidbox.test.ts'],
]

/** Captures that tests of other rooms read, or that wait for what will read them. */
const ELSEWHERE: readonly (readonly [files: RegExp, why: string])[] = [
  [/\.vectors\./, 'answers of single functions, see python/ and serialization/'],
  [/\.event-/, 'event messages are read in events/'],
  [/\.(mingle-hello$|two-workers-)/, 'what workers say to each other is read in worker/'],
  [
    /\.(worker-(startup|shutdown)|quorum-worker-startup)-/,
    'the frames of a whole worker, to compare by eye',
  ],
  [/\.confirm-publish-frames$/, 'publisher confirms are tested on a broker'],
  [/\.queues-broadcast-topic-direct-priority$/, 'what is declared is tested on a broker'],
  [/\.quorum-delayed-/, 'native delayed delivery'],
  [/^562\.(filesystem|sqla)\./, 'transports and backends that are not here'],
  [/^interop\.amqp\./, 'how amqplib writes numbers, see transports/amqp'],
]

describe('the captures in fixtures/', () => {
  for (const name of captureNames()) {
    const elsewhere = ELSEWHERE.some(([files]) => files.test(name))
    if (elsewhere) continue
    it(`are all read: ${name}`, () => {
      const tests = READ_BY.filter(([files]) => files.test(name)).map(([, test]) => test)
      expect(tests, 'name the test that reads it, or why none does').to.have.length.above(0)
      for (const test of tests) {
        expect(existsSync(new URL(test, import.meta.url)), test).to.equal(true)
      }
    })
  }

  it('are there for each entry of the table', () => {
    for (const [files] of READ_BY)
      expect(captureNames().some((name) => files.test(name))).to.equal(true)
  })
})
