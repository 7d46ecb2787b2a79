/** A signal that is made when somebody asks for it. */

import { expect } from 'chai'
import { Cancellation, sourceOf } from '../../src/runtime/cancellation.ts'

describe('a cancellation', () => {
  it('is not aborted, asked with or without its signal', () => {
    const cancellation = new Cancellation()
    expect(cancellation.aborted).to.equal(false)
    expect(cancellation.signal.aborted).to.equal(false)
    expect(cancellation.aborted).to.equal(false)
  })

  it('gives the one signal, also to who asks before and after it is aborted', () => {
    const cancellation = new Cancellation()
    const { signal } = cancellation
    cancellation.abort(new Error('stop'))
    expect(cancellation.signal).to.equal(signal)
    expect(signal.reason).to.have.property('message', 'stop')
  })

  it('tells who asks for its signal too late', () => {
    const cancellation = new Cancellation()
    cancellation.abort(new Error('stop'))
    expect(cancellation.aborted).to.equal(true)
    expect(cancellation.signal.reason).to.have.property('message', 'stop')
  })

  it('tells a second reason to who has heard the first', () => {
    const cancellation = new Cancellation()
    const heard: string[] = []
    const { signal } = cancellation
    signal.addEventListener('abort', () => heard.push((signal.reason as Error).message))
    cancellation.abort(new Error('soon'))
    cancellation.abort(new Error('now'))
    expect(heard).to.deep.equal(['soon', 'now'])
  })

  it('calls who listens within the surroundings that it was given', () => {
    const cancellation = new Cancellation()
    const heard: string[] = []
    cancellation.signal.addEventListener('abort', () => heard.push('told'))
    cancellation.within = (abort) => {
      heard.push('enter')
      abort()
      heard.push('leave')
    }
    cancellation.abort(new Error('stop'))
    expect(heard).to.deep.equal(['enter', 'told', 'leave'])
  })

  it('can stand for a signal that is there already', () => {
    const controller = new AbortController()
    const source = sourceOf(controller.signal)
    expect(source.aborted).to.equal(false)
    controller.abort()
    expect(source.aborted).to.equal(true)
    expect(source.signal).to.equal(controller.signal)
  })
})
