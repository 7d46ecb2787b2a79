/** Result metas against captures of Celery, byte for byte. */

import { expect } from 'chai'
import { createCodec } from '../../protocol/codec.ts'
import { DecodeError } from '../../protocol/errors.ts'
import { DEFAULT_LIMITS } from '../../protocol/limits.ts'
import {
  decodeChordPart,
  decodeGroupMeta,
  decodeMeta,
  encodeChordPart,
  encodeGroupMeta,
  encodeMeta,
  encodeRpcMeta,
  readResultTuple,
  resultTuple,
  type ResultMeta,
} from '../../protocol/result.ts'
import { dumps, loads } from '../../protocol/serialization/json.ts'
import { bytes, capture, captureNames, commands, walk } from './captures.ts'

const codec = createCodec()
const ACCEPT = codec.serializers.contentTypes(['json', 'msgpack', 'yaml', 'pickle'])
const names = captureNames()

/** The serializer of the results in a capture, and its content type. */
function serializerOf(name: string): readonly [name: string, contentType: string] {
  if (name.includes('msgpack')) return ['msgpack', 'application/x-msgpack']
  if (name.includes('yaml')) return ['yaml', 'application/x-yaml']
  if (name.includes('pickle')) return ['pickle', 'application/x-python-serialize']
  return ['json', 'application/json']
}

describe('the meta of a result', () => {
  for (const name of names.filter((file) => /\.redis\.result-/.test(file))) {
    it(`is read from ${name}, and written as the same text`, () => {
      const { key, value } = capture(name)
      const meta = decodeMeta(loads(String(value), DEFAULT_LIMITS))
      expect(`celery-task-meta-${meta.taskId}`).to.equal(key)
      expect(name).to.include(`result-${meta.status}`)
      expect(dumps(encodeMeta(meta))).to.equal(value)
    })
  }

  for (const name of names.filter((file) => file.includes('.result-rpc-'))) {
    it(`is read from ${name}, and written as the same text`, () => {
      const { publish } = capture(name) as { publish: { body: string } }
      const meta = decodeMeta(loads(publish.body, DEFAULT_LIMITS))
      expect(name).to.include(`result-rpc-${meta.status}`)
      expect(dumps(encodeRpcMeta(meta))).to.equal(publish.body)
    })
  }

  for (const name of names.filter((file) => file.includes('.redis.backend-'))) {
    it(`is read from each write of ${name}, and written as the same bytes`, () => {
      const writes = storedMetas(name)
      expect(writes).to.have.length.above(0)
      for (const body of writes) checkStored(name, body)
    })
  }

  function checkStored(name: string, body: Buffer): void {
    const [serializer, contentType] = serializerOf(name)
    const content = { body, contentType, contentEncoding: 'binary' }
    const meta = decodeMeta(codec.serializers.loads(content, ACCEPT, DEFAULT_LIMITS))
    const written = codec.serializers.dumps(encodeMeta(meta), serializer).body
    if (serializer === 'pickle' || isFolded(serializer, body)) {
      const back = codec.serializers.loads({ ...content, body: written }, ACCEPT, DEFAULT_LIMITS)
      expect(decodeMeta(back)).to.deep.equal(meta)
    } else expect(written.toString('latin1')).to.equal(body.toString('latin1'))
  }

  /** A difference in form: PyYAML folds long text at 80 columns, and we do not. */
  function isFolded(serializer: string, body: Buffer): boolean {
    return serializer === 'yaml' && body.includes('\\\n')
  }

  const META: ResultMeta = {
    taskId: 'i',
    status: 'SUCCESS',
    result: 3,
    traceback: null,
    children: [],
    dateDone: '2026-11-22T08:26:16.993151+00:00',
  }
  const EXTENDED = {
    name: 'wire.add',
    args: [1, 2],
    kwargs: {},
    worker: 'w@h',
    retries: 0,
    queue: 'celery',
  }

  it('writes None for a task that returned nothing', () => {
    expect(encodeMeta({ ...META, result: undefined })['result']).to.equal(null)
    expect(encodeRpcMeta({ ...META, result: undefined })['result']).to.equal(null)
  })

  it('has group, parent and the extended members in their places', () => {
    const meta = {
      ...META,
      groupId: 'g',
      parentId: 'p',
      extended: EXTENDED,
      stamps: { tenant: 'a' },
    }
    expect(Object.keys(encodeMeta(meta))).to.deep.equal([
      'status',
      'result',
      'traceback',
      'children',
      'date_done',
      'group_id',
      'parent_id',
      'name',
      'args',
      'kwargs',
      'worker',
      'retries',
      'queue',
      'stamped_headers',
      'tenant',
      'task_id',
    ])
    expect(decodeMeta(encodeMeta(meta))).to.deep.equal(meta)
  })

  it('does not let a stamp replace a member of its own', () => {
    const stamps = { status: 'FAILURE', task_id: 'other', tenant: 'a' }
    const wire = encodeMeta({ ...META, extended: EXTENDED, stamps })
    expect(wire).to.include({ status: 'SUCCESS', task_id: 'i', tenant: 'a' })
  })

  it('is read when it says no more than a status, as others may write it', () => {
    expect(
      decodeMeta({ status: 'FAILURE', result: { exc_type: 'X', exc_message: 'm' } }, 'i'),
    ).to.deep.equal({
      taskId: 'i',
      status: 'FAILURE',
      result: { exc_type: 'X', exc_message: 'm' },
      traceback: null,
      children: null,
      dateDone: null,
    })
  })

  it('is read from what rpc of the development branch sends, and without what nobody knows', () => {
    const sent = { ...encodeMeta({ ...META, groupId: 'g' }), future: true }
    expect(decodeMeta(sent)).to.deep.equal({ ...META, groupId: 'g' })
  })

  it('takes a date that the serializer made of date_done', () => {
    const meta = decodeMeta({ ...encodeMeta(META), date_done: new Date(0) })
    expect(meta.dateDone).to.equal('1970-01-01T00:00:00+00:00')
  })

  const BROKEN: readonly unknown[] = [
    null,
    'SUCCESS',
    [],
    {},
    { status: 5, task_id: 'i' },
    { status: 'SUCCESS' },
    { status: 'SUCCESS', task_id: 'i', children: [5] },
    { status: 'SUCCESS', task_id: 'i', children: [[[null, null], null]] },
  ]
  for (const value of BROKEN) {
    it(`is refused when it is ${JSON.stringify(value)}`, () => {
      expect(() => decodeMeta(value)).to.throw(DecodeError)
    })
  }
})

describe('the tuple of a result', () => {
  it('is read as it is written, for tasks, groups and their parents', () => {
    const parent = resultTuple('p', resultTuple('pp'))
    const group = resultTuple('g', parent, [resultTuple('a'), resultTuple('b', null, [])])
    expect(readResultTuple(JSON.parse(JSON.stringify(group)))).to.deep.equal(group)
  })

  it('may have the bare id in place of id and parent', () => {
    expect(readResultTuple(['a', null])).to.deep.equal(resultTuple('a'))
    expect(readResultTuple(['g', [['a', null]]])).to.deep.equal(
      resultTuple('g', null, [resultTuple('a')]),
    )
  })

  it('is refused when it has no end', () => {
    let deep: unknown = ['x', null]
    for (let i = 0; i < 5000; i++) deep = [[`${i}`, deep], null]
    expect(() => readResultTuple(deep)).to.throw(DecodeError, 'more than 1000 parents')
  })

  for (const value of [
    undefined,
    null,
    'id',
    {},
    [],
    ['a'],
    ['a', null, 1],
    [[1, null], null],
    ['a', 'b'],
  ]) {
    it(`is refused when it is ${JSON.stringify(value)}`, () => {
      expect(() => readResultTuple(value)).to.throw(DecodeError)
    })
  }
})

describe('what a backend keeps of groups and chords', () => {
  for (const name of names.filter((file) => file.endsWith('.group-meta'))) {
    it(`is read from ${name}, and written as the same text`, () => {
      const [[, key, , value = ''] = []] = commands(name)
      const group = decodeGroupMeta(loads(value, DEFAULT_LIMITS))
      expect(key).to.equal(`celery-taskset-meta-${group[0][0]}`)
      expect(dumps(encodeGroupMeta(group))).to.equal(value)
    })
  }

  for (const name of names.filter((file) => file.endsWith('.group-meta-size'))) {
    it(`counts the parts in ${name}`, () => {
      const [[, key = '', , value = ''] = []] = commands(name)
      expect(key).to.match(/^celery-taskset-meta-.*\.s$/)
      expect(Number.isInteger(loads(value, DEFAULT_LIMITS))).to.equal(true)
    })
  }

  const parts = names.filter((file) => chordParts(file).length > 0)
  for (const name of parts) {
    it(`is read from each part of the chord in ${name}, and written as the same bytes`, () => {
      const [serializer, contentType] = serializerOf(name)
      for (const body of chordParts(name)) {
        const content = { body, contentType, contentEncoding: 'binary' }
        const part = decodeChordPart(codec.serializers.loads(content, ACCEPT, DEFAULT_LIMITS))
        const written = codec.serializers.dumps(encodeChordPart(part), serializer).body
        const back = { ...content, body: written }
        expect(codec.serializers.loads(back, ACCEPT, DEFAULT_LIMITS)).to.deep.equal(
          codec.serializers.loads(content, ACCEPT, DEFAULT_LIMITS),
        )
        // a pickle may say the same in other bytes
        if (serializer === 'pickle') continue
        expect(written.toString('latin1')).to.equal(body.toString('latin1'))
      }
    })
  }

  it('has a capture with a part of a chord', () => {
    expect(parts).to.include('562.redis.chord-part-return')
    expect(parts).to.include('562.redis.backend-chord-unordered')
  })

  it('is refused when a part is no list of four', () => {
    for (const value of [null, [], [1], [1, 2, 'SUCCESS', 3], { 0: 1 }]) {
      expect(() => decodeChordPart(value)).to.throw(DecodeError)
    }
  })
})

function storedMetas(name: string): Buffer[] {
  const seen = commands(name) as readonly (readonly unknown[])[]
  const metas = seen.filter(([, key]) => String(key).includes('celery-task-meta-'))
  const position: Readonly<Record<string, number>> = { SETEX: 3, SET: 2, PUBLISH: 2 }
  return metas.flatMap((words) => {
    const at = position[String(words[0])]
    return at === undefined ? [] : [bytes(words[at])]
  })
}

function chordParts(name: string): Buffer[] {
  const position: Readonly<Record<string, number>> = { ZADD: 3, RPUSH: 2 }
  const found: Buffer[] = []
  for (const value of walk(capture(name)['commands'])) {
    if (!Array.isArray(value) || !/celery-taskset-meta-.*\.j$/.test(String(value[1]))) continue
    const at = position[String(value[0])]
    if (at !== undefined) found.push(bytes(value[at]))
  }
  return found
}
