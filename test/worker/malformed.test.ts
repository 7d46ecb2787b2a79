/** Malformed messages on every broker: none stops the worker, and none is logged. */

import { expect } from 'chai'
import { deflateSync, gzipSync } from 'node:zlib'
import type { Message } from '../../protocol/message.ts'
import { amqpUrl, redisUrl } from '../support/services.ts'
import { until } from '../support/until.ts'
import { Harness } from './harness.ts'

type Raw = Partial<Message>

const body = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const HEADERS = { task: 't.add', id: 'bad' }
const deep = '['.repeat(5000) + ']'.repeat(5000)
/** A message that is right but for what is given. */
const bad = (raw: Raw, headers: Record<string, unknown> = {}): Raw => ({
  body: body([[1, 2], {}, {}]),
  ...raw,
  headers: { ...HEADERS, ...headers },
})

/** What kills or silences a real worker, and more. @see celery 5.6.2, `worker/strategy.py`, `worker/request.py` */
const CASES: Readonly<Record<string, Raw>> = {
  'an empty body': bad({ body: Buffer.alloc(0) }),
  'a body that is null': bad({ body: body(null) }),
  'a body that is a number': bad({ body: body(7) }),
  'a body of two': bad({ body: body([[1, 2], {}]) }),
  'a body of four': bad({ body: body([[1, 2], {}, {}, 1]) }),
  'a body that is no JSON': bad({ body: Buffer.from('[[1, 2], {}, {}') }),
  'a body with a byte order mark': bad({ body: Buffer.from('\ufeff[[1, 2], {}, {}]') }),
  'a body that is no UTF-8': bad({ body: Buffer.from([0x5b, 0xff, 0xfe, 0x5d]) }),
  'a body nested too deep': bad({ body: Buffer.from(`[[${deep}], {}, {}]`) }),
  'a body with an unknown type': bad({
    body: body([[{ __type__: 'evil', __value__: 1 }], {}, {}]),
  }),
  'keyword arguments that are a list': bad({ body: body([[1, 2], [1], {}]) }),
  'keyword arguments that are a text': bad({ body: body([[1, 2], 'x', {}]) }),
  'arguments that are a number': bad({ body: body([5, {}, {}]) }),
  'an embed that is a text': bad({ body: body([[1, 2], {}, 'x']) }),
  'callbacks that are no signatures': bad({ body: body([[1, 2], {}, { callbacks: [1] }]) }),
  'a chain that is an object': bad({ body: body([[1, 2], {}, { chain: { a: 1 } }]) }),
  'no content type': bad({ contentType: '' }),
  'a content type that is not accepted': bad({ contentType: 'application/x-msgpack' }),
  pickle: bad({
    contentType: 'application/x-python-serialize',
    contentEncoding: 'binary',
    body: Buffer.from("cos\nsystem\n(S'true'\ntR."),
  }),
  'a content type that nobody knows': bad({ contentType: 'text/evil' }),
  'no id': bad({}, { id: undefined }),
  'an id that is null': bad({}, { id: null }),
  'an id that is a number': bad({}, { id: 5 }),
  'an id that is too long': bad({}, { id: 'x'.repeat(5000) }),
  'a task that is null': bad({}, { task: null }),
  'a task that is a list': bad({}, { task: ['t.add'] }),
  'an unknown task': bad({}, { task: 't.nosuch' }),
  'a task named as a member of every object': bad({}, { task: '__proto__' }),
  'a task named constructor': bad({}, { task: 'constructor' }),
  'a name that forges a line': bad(
    {},
    { task: 'x\n[2026-01-01 00:00:00,000: CRITICAL/Main] gone' },
  ),
  'an eta that is empty': bad({}, { eta: '' }),
  'an eta of milliseconds': bad({}, { eta: 1_700_000_000_000 }),
  'an eta that is 0': bad({}, { eta: 0 }),
  'an eta that is no time': bad({}, { eta: 'tomorrow' }),
  'an expiry that is empty': bad({}, { expires: '' }),
  'an expiry of seconds': bad({}, { expires: 60 }),
  'a time limit that is a number': bad({}, { timelimit: 5 }),
  'a time limit that is negative': bad({}, { timelimit: [-1, -1] }),
  'retries that are negative': bad({}, { retries: -1 }),
  'retries that are a list': bad({}, { retries: [1] }),
  'a group index that is a text': bad({}, { group_index: 'first' }),
  'stamps that are a list': bad({}, { stamps: [1] }),
  'an unknown compression': bad({}, { compression: 'application/x-evil' }),
  'a compression that is a number': bad({}, { compression: 7 }),
  'a gzip stream under the name of zlib, with rubbish': bad(
    { body: Buffer.concat([gzipSync(body([[1, 2], {}, {}])).subarray(0, 12), Buffer.from('zz')]) },
    { compression: 'application/x-gzip' },
  ),
  'a bomb': bad(
    { body: deflateSync(Buffer.alloc(200 * 1024 * 1024, 0x20)) },
    { compression: 'application/x-gzip' },
  ),
  'no headers': { body: body([[1, 2], {}, {}]), headers: {} },
  'version 1 without an id': { body: body({ task: 't.add', args: [1, 2] }) },
  'version 1 with null keyword arguments': {
    body: body({ task: 't.add', id: 'bad', args: [1, 2], kwargs: null }),
  },
  'version 1 of an unknown task': { body: body({ task: 't.nosuch', id: 'bad' }) },
  'version 1 that is a text': { body: body('t.add') },
  'version 1 that names no task': { body: body({ id: 'bad' }) },
}

const SECRET = 'hunter2'

describe('worker: malformed messages', () => {
  const brokers = {
    memory: async () => undefined,
    redis: redisUrl,
    rabbitmq: amqpUrl,
  }

  for (const [broker, url] of Object.entries(brokers)) {
    describe(broker, function () {
      this.timeout(60_000)
      let harness: Harness
      const ran: unknown[] = []

      before(async () => {
        const brokerUrl = await url()
        harness = new Harness(brokerUrl === undefined ? {} : { brokerUrl })
        harness.app.task('t.add', (x: number, y: number) => void ran.push([x, y]))
        await harness.started({ concurrency: 1, prefetchMultiplier: 1 })
      })
      after(() => harness.close())

      it('refuses each of them with a line, and runs the good one behind it', async () => {
        const good = async (id: string): Promise<void> =>
          harness.publish({
            body: body([[1, 2], {}, {}]),
            headers: { task: 't.add', id },
          })
        for (const [name, raw] of Object.entries(CASES)) {
          harness.logged.length = 0
          const before = ran.length
          await harness.publish(raw)
          await good('good')
          await until(() => ran.length > before, { what: `the good task after ${name}` })
          await until(() => harness.logs('info').some((line) => line.includes('[good] succeeded')))
          expect(ran.length - before, name).to.equal(1)
          const complaints = harness.logged.filter((line) => !/^(debug|info)/.test(line))
          expect(complaints, name).to.have.length(1)
          expect(complaints[0], name).to.match(/^(warning|error|critical) (Received|Can't decode)/)
        }
        await until(async () => (await harness.waiting()) === 0)
      })

      it('logs nothing of what is in them', async () => {
        for (const raw of [
          bad({ body: Buffer.from(`[["${SECRET}"`) }),
          bad({ body: body([[SECRET], [SECRET], {}]) }),
          bad({ body: body([[SECRET], {}, {}]), contentType: 'text/evil' }),
          bad({ body: body([[SECRET], {}, {}]) }, { task: 't.nosuch', argsrepr: SECRET }),
          bad({ body: body([[SECRET], {}, {}]) }, { eta: SECRET }),
          { body: body({ password: SECRET }) },
        ]) {
          harness.logged.length = 0
          await harness.publish(raw)
          await until(() => harness.logged.length > 0)
          expect(harness.logged.join('\n')).to.not.include(SECRET)
        }
      })

      it('stores a failure where it knows whose result it would have been', async () => {
        const id = `refused-${broker}`
        for (const [name, type, raw] of [
          ['unknown', 'NotRegistered', bad({}, { id: `${id}-unknown`, task: 't.nosuch' })],
          ['invalid', 'InvalidTaskError', bad({}, { id: `${id}-invalid`, eta: 'tomorrow' })],
          [
            'refused',
            'ContentDisallowed',
            bad({ contentType: 'text/evil' }, { id: `${id}-refused` }),
          ],
          [
            'undecodable',
            'DecodeError',
            bad({ body: Buffer.from('{') }, { id: `${id}-undecodable` }),
          ],
        ] as const) {
          await harness.publish(raw)
          const meta = await until(async () => {
            const found = await harness.app.backend.fetch(`${id}-${name}`)
            return found.status === 'FAILURE' && found
          })
          expect(meta.result).to.include({ exc_type: type })
        }
      })
    })
  }
})
