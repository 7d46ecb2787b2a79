/** Errors as exceptions on the wire, and back. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { decodeException, encodeException } from '../../../protocol/python/exception.ts'
import { EncodeError } from '../../../protocol/errors.ts'
import { dumps } from '../../../protocol/serialization/json.ts'
import { NotRegistered, SoftTimeLimitExceeded, TaskError } from '../../../src/errors.ts'
import { capture, walk } from '../captures.ts'

function encoded(error: unknown): readonly unknown[] {
  const { exc_type, exc_module, exc_message } = encodeException(error)
  return [exc_type, exc_module, exc_message]
}

describe('encodeException', () => {
  it('writes the members in the order of Celery', () => {
    expect(dumps(encodeException(new TypeError('boom')))).to.equal(
      '{"exc_type": "TypeError", "exc_message": ["boom"], "exc_module": "builtins"}',
    )
  })

  it('calls a plain Error an Exception', () => {
    expect(encoded(new Error('boom'))).to.deep.equal(['Exception', 'builtins', ['boom']])
    expect(encoded(new Error())).to.deep.equal(['Exception', 'builtins', []])
  })

  it('finds the classes that Python has built in by their names', () => {
    class ValueError extends Error {}
    expect(encoded(new ValueError('v'))).to.deep.equal(['ValueError', 'builtins', ['v']])
    const key = Object.assign(new Error('k'), { name: 'KeyError' })
    expect(encoded(key)).to.deep.equal(['KeyError', 'builtins', ['k']])
  })

  it('keeps the name of a class that Python lacks', () => {
    class PaymentRefused extends Error {}
    expect(encoded(new PaymentRefused('p'))).to.deep.equal(['PaymentRefused', 'javascript', ['p']])
    expect(encoded(new RangeError('r'))).to.deep.equal(['RangeError', 'javascript', ['r']])
  })

  it('names no class that would end the process of the reader', () => {
    const exit = Object.assign(new Error('0'), { name: 'SystemExit' })
    expect(encodeException(exit).exc_module).to.equal('javascript')
  })

  it('honours excType, excModule and args of the right type', () => {
    const error = Object.assign(new Error('m'), {
      excType: 'Declined',
      excModule: 'shop.errors',
      args: ['card', 5],
    })
    expect(encoded(error)).to.deep.equal(['Declined', 'shop.errors', ['card', 5]])
    const wrong = Object.assign(new Error('m'), { excType: 5, excModule: {}, args: 'x' })
    expect(encoded(wrong)).to.deep.equal(['Exception', 'builtins', ['m']])
  })

  it("says where Python keeps the classes of celeriac's own errors", () => {
    expect(encoded(new NotRegistered('a.b'))).to.deep.equal([
      'NotRegistered',
      'celery.exceptions',
      ['a.b'],
    ])
    expect(encoded(new EncodeError('e'))).to.deep.equal(['EncodeError', 'kombu.exceptions', ['e']])
    expect(encoded(new SoftTimeLimitExceeded(3))).to.deep.equal([
      'SoftTimeLimitExceeded',
      'billiard.exceptions',
      [],
    ])
  })

  it('passes on what another worker raised', () => {
    const remote = { type: 'Odd', module: null, args: ['x', 1], traceback: null }
    expect(encoded(new TaskError('id', remote))).to.deep.equal(['Odd', null, ['x', 1]])
  })

  it('sends the repr of an argument that cannot be serialized', () => {
    const error = Object.assign(new Error('m'), { args: [1, new Set(['a'])] })
    expect(encodeException(error).exc_message).to.deep.equal([1, "{'a'}"])
    const nothing = encodeException(error, () => {
      throw new Error('no')
    })
    expect(nothing.exc_message).to.deep.equal(['1', "{'a'}"])
  })

  it('gives a safe form to whatever was thrown', () => {
    class Angry extends Error {
      override get name(): string {
        throw new Error('no')
      }
      override get message(): string {
        throw new Error('no')
      }
    }
    expect(encoded(new Angry())).to.deep.equal(['Angry', 'javascript', []])
    expect(encoded('text')).to.deep.equal(['Exception', 'builtins', ['text']])
    expect(encoded(undefined)).to.deep.equal(['Exception', 'builtins', [null]])
    expect(encoded(Object.freeze({ a: 1 }))).to.deep.equal(['Exception', 'builtins', [{ a: 1 }]])
    const nul = Object.assign(new Error('m'), { name: 'a\0b' })
    expect(encodeException(nul).exc_type).to.equal('Exception')
  })

  it('can always be serialized', () => {
    fc.assert(
      fc.property(fc.anything(), (thrown) => {
        expect(dumps(encodeException(thrown))).to.be.a('string')
      }),
    )
  })
})

describe('decodeException', () => {
  for (const version of ['562', '526']) {
    it(`reads the failures of ${version}, and writes them back`, () => {
      for (const kind of ['ValueError', 'KeyError', 'CustomErr', 'TimeLimitExceeded']) {
        const stored = storedException(`${version}.redis.result-FAILURE-${kind}`)
        const { type, module, args } = decodeException(stored)
        const error = new TaskError('id', { type, module, args, traceback: null })
        expect(encodeException(error)).to.deep.equal(stored)
      }
    })
  }

  it('takes a message that is no list as the one argument', () => {
    const stored = { exc_type: 'E', exc_message: 'text', exc_module: null }
    expect(decodeException(stored)).to.deep.equal({ type: 'E', module: null, args: ['text'] })
  })

  it('looks nothing up by a name from the wire', () => {
    for (const name of ['__proto__', 'constructor', 'child_process']) {
      const stored = { exc_type: name, exc_module: name, exc_message: [] }
      expect(decodeException(stored)).to.deep.equal({ type: name, module: name, args: [] })
    }
  })

  it('takes anything', () => {
    for (const value of [null, undefined, 'text', 5, [], { exc_type: 5 }]) {
      expect(decodeException(value).type).to.equal('Exception')
    }
  })
})

/** The exception dict in a stored result. */
function storedException(name: string): unknown {
  for (const value of walk(capture(name))) {
    if (typeof value === 'object' && value !== null && 'exc_type' in value) return value
  }
  throw new Error(`${name} holds no exception`)
}
