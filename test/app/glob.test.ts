/** The patterns of routes: what they match, and how quickly. */

import { expect } from 'chai'
import fc from 'fast-check'
import { glob } from '../../src/app/glob.ts'

describe('a glob', () => {
  it('matches as fnmatch does', () => {
    // [pattern, name, what fnmatch.fnmatchcase of Python 3.11 says]
    const answers: readonly (readonly [string, string, boolean])[] = [
      ['ml.*', 'ml.embed', true],
      ['ml.*', 'ml.', true],
      ['ml.*', 'xml.embed', false],
      ['*.fast', 'a.b.fast', true],
      ['*.fast', 'a.faster', false],
      ['a?c*', 'abcd', true],
      ['a?c*', 'ac', false],
      ['*[ab]', 'xa', true],
      ['*[!ab]', 'xa', false],
      ['*[a-c]x', '1bx', true],
      ['*[a-c]x', '1-x', false],
      ['*[-a]', 'x-', true],
      ['*[]]', 'x]', true],
      ['*[', 'x[', true],
      ['*[!]', 'x[!]', true],
      ['*', '', true],
      ['*\n*', 'a\nb', true],
      ['a*b*c', 'a1b2b3c', true],
      ['.*', 'x', false],
      ['Ä*', 'Äx', true],
      ['*?', '🎉', true],
    ]
    for (const [pattern, name, matches] of answers) {
      expect(glob(pattern)(name), `${pattern} ${name}`).to.equal(matches)
    }
  })

  it('is a text that matches itself and nothing else, without wildcards', () => {
    const text = fc.string().filter((value) => !/[*?[]/.test(value))
    fc.assert(
      fc.property(text, text, (pattern, name) => glob(pattern)(name) === (pattern === name)),
    )
  })

  it('takes its time from the lengths only, however it was made', () => {
    const started = performance.now()
    expect(glob(`${'a*'.repeat(30)}b`)('a'.repeat(10_000))).to.equal(false)
    expect(performance.now() - started).to.be.lessThan(2000)
  })
})
