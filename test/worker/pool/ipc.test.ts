/** What crosses between a pool and its children, errors above all. */

import { expect } from 'chai'
import {
  DecodeError,
  LeaseLostError,
  SoftTimeLimitExceeded,
  TaskRevokedError,
  TimeLimitExceeded,
  WorkerLostError,
  WorkerShutdown,
} from '../../../src/errors.ts'
import { fromPlain, isOurs, toPlain } from '../../../src/worker/pool/ipc.ts'

const cross = (error: unknown): Error => fromPlain(structuredClone(toPlain(error)))

describe('worker/pool/ipc', () => {
  for (const error of [
    new SoftTimeLimitExceeded(3.5),
    new TimeLimitExceeded(10),
    new TaskRevokedError('terminated'),
    new WorkerShutdown(),
    new LeaseLostError('the connection is gone'),
    new WorkerLostError('Worker exited prematurely: exitcode 1 Job: 3.'),
    new DecodeError('no JSON'),
  ]) {
    it(`makes a ${error.name} the same again`, () => {
      const again = cross(error)
      expect(again).to.be.instanceOf(error.constructor)
      const { message, stack } = error
      expect(again).to.include({ message, stack })
      expect(Object.entries(again)).to.deep.equal(Object.entries(error))
    })
  }

  it('keeps name, message and stack of any other error', () => {
    const error = Object.assign(new RangeError('too far'), { socket: () => {} })
    const { name, message, stack } = error
    expect(cross(error)).to.include({ name, message, stack })
  })

  it('takes what is no error for the message of one', () => {
    expect(cross('thrown text').message).to.equal('thrown text')
    expect(cross(undefined).message).to.equal('undefined')
  })

  it('knows its own messages from those of tasks', () => {
    expect(isOurs({ celeriac: 'up' })).to.equal(true)
    for (const other of ['up', null, undefined, 5, { type: 'up' }]) {
      expect(isOurs(other)).to.equal(false)
    }
  })
})
