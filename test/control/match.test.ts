/** Which workers a remote command means. */

import { expect } from 'chai'
import { NotSupported } from '../../src/errors.ts'
import { matches } from '../../src/control/match.ts'

const NAME = 'w1@host.example'

/** What Python's `fnmatch.fnmatch(NAME, pattern)` says. */
const GLOBS: readonly (readonly [pattern: string, fits: boolean])[] = [
  ['w1@host.example', true],
  ['W1@host.example', false],
  ['w1@*', true],
  ['*', true],
  ['*.example', true],
  ['w?@host*', true],
  ['w1@host', false],
  ['w[0-9]@*', true],
  ['w[!0-9]@*', false],
  ['w[!a-z]@*', true],
  ['[]w]1@*', true],
  ['[w', false],
  ['w1@host[.]example', true],
  ['w[1-', false],
  ['w[2-]@*', false],
  ['', false],
]

/** What Python's `re.match(pattern, NAME)` says. */
const EXPRESSIONS: readonly (readonly [pattern: string, fits: boolean])[] = [
  ['w1@.*', true],
  ['w1', true],
  ['^w1', true],
  ['host', false],
  ['w1$', false],
  ['^w1@host\\.example$', true],
  ['w1@host.example$', true],
  ['.+@.+\\.example$', true],
  ['.*example', true],
  ['w1@host\\.example.+', false],
]

describe('a pattern of node names', () => {
  for (const [pattern, fits] of GLOBS) {
    it(`as a glob, '${pattern}' ${fits ? 'fits' : 'does not fit'} ${NAME}`, () => {
      expect(matches(NAME, pattern, 'glob')).to.equal(fits)
    })
  }

  for (const [pattern, fits] of EXPRESSIONS) {
    it(`as an expression, '${pattern}' ${fits ? 'fits' : 'does not fit'} ${NAME}`, () => {
      expect(matches(NAME, pattern, 'pcre')).to.equal(fits)
    })
  }

  it('refuses the expressions that it does not read, and other matchers', () => {
    for (const pattern of [
      '(w|x)1',
      'w1+',
      '[w]1',
      'w{2}',
      '(?=w)',
      'a|b',
      '\\d',
      'w1*',
      '$w',
      'w\\',
    ]) {
      expect(() => matches(NAME, pattern, 'pcre'), pattern).to.throw(NotSupported)
    }
    expect(() => matches(NAME, '*', '__proto__')).to.throw(NotSupported)
  })

  it('takes no time for a pattern that is made to take long', () => {
    const name = `${'a'.repeat(255)}b`
    const started = performance.now()
    expect(matches(name, '*a'.repeat(500), 'glob')).to.equal(false)
    expect(matches(name, `${'.*a'.repeat(340)}$`, 'pcre')).to.equal(false)
    expect(performance.now() - started).to.be.below(500)
  })
})
