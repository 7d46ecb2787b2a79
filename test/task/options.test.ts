/** Options of tasks: defaults, and what is refused. */

import { expect } from 'chai'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { checkOptions, resolveOptions, type TaskOptions } from '../../src/task/options.ts'
import { SETTINGS } from './fakes.ts'

describe('the options of a task', () => {
  const wrong: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ maxRetires: 3 }, /unknown option 'maxRetires'; did you mean 'maxRetries'\?/],
    [{ acks_late: true }, /unknown option 'acks_late'; did you mean 'acksLate'\?/],
    [{ maxRetries: -1 }, /'maxRetries' of task 'shop.add' must be a whole number/],
    [{ timeLimit: 'ten' }, /'timeLimit' .* must be seconds/],
    [{ autoretryFor: Error }, /must be a list of error classes/],
    [{ input: {} }, /must be a Standard Schema/],
    [{ onFailure: 'log' }, /must be a function/],
    [{ timeLimit: 5, softTimeLimit: { seconds: 6 } }, /must not exceed/],
  ]
  for (const [options, message] of wrong) {
    it(`are refused when they are wrong: ${JSON.stringify(options)}`, () => {
      expect(() => checkOptions('shop.add', options)).to.throw(ImproperlyConfigured, message)
    })
  }

  it('have the defaults of Celery', () => {
    expect(resolveOptions({}, SETTINGS)).to.deep.include({
      maxRetries: 3,
      defaultRetryDelay: 180,
      retryBackoffMax: 600,
      retryJitter: true,
      retryBackoff: 0,
      acksLate: false,
      calls: {},
    })
  })

  it('go before the settings, which go before the defaults', () => {
    const conf = { ...SETTINGS, taskAcksLate: true, taskDefaultRateLimit: '1/s' }
    expect(resolveOptions({}, conf)).to.include({ acksLate: true, rateLimit: '1/s' })
    const own: TaskOptions = { acksLate: false, rateLimit: 5, maxRetries: null }
    expect(resolveOptions(own, conf)).to.include({
      acksLate: false,
      rateLimit: 5,
      maxRetries: null,
    })
  })

  it('are the defaults of its calls, in seconds', () => {
    const options: TaskOptions = {
      queue: 'q',
      timeLimit: { minutes: 1 },
      ignoreResult: true,
      expires: { hours: 1 },
    }
    expect(resolveOptions(options, SETTINGS).calls).to.deep.equal({
      queue: 'q',
      timeLimit: 60,
      ignoreResult: true,
      expires: 3600,
    })
  })
})
