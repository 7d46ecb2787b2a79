/** Whether a node's name fits the pattern of a remote command. */

import { NotSupported } from '../errors.ts'

/** One place of a pattern: any text, or one character that fits. */
type Token = 'star' | ((character: string) => boolean)

/**
 * A name against a stranger's pattern.
 *
 *     glob   fnmatch: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`; case counts
 *     pcre   text with `.`, `.*`, `.+`, `\` and a character, and `^` and `$` at the ends; from the
 *            name's start, as Python's `re.match`. Any other expression is refused: it could keep the
 *            process busy for as long as it likes.
 *
 * @throws NotSupported
 * @see kombu 5.6, matcher.py
 */
export function matches(name: string, pattern: string, matcher: string): boolean {
  if (matcher === 'glob') return fits(globTokens(pattern), name)
  if (matcher === 'pcre') return fits(regularTokens(pattern), name)
  throw new NotSupported("a pattern's matcher is 'glob' or 'pcre'")
}

/** In time that grows with the product of both lengths at worst: it goes back to the last star only. */
function fits(tokens: readonly Token[], name: string): boolean {
  const characters = Array.from(name)
  let at = 0
  let star = -1
  let resume = 0
  for (let index = 0; index < characters.length;) {
    const token = tokens[at]
    if (token === 'star') {
      star = at
      resume = index
      at += 1
    } else if (token?.(characters[index] as string)) {
      at += 1
      index += 1
    } else {
      if (star < 0) return false
      at = star + 1
      index = resume += 1
    }
  }
  return tokens.slice(at).every((token) => token === 'star')
}

const ANY: Token = () => true

function only(character: string): Token {
  return (other) => other === character
}

/** @see Python's fnmatch.py, `translate` */
function globTokens(pattern: string): Token[] {
  const characters = Array.from(pattern)
  const tokens: Token[] = []
  for (let index = 0; index < characters.length; index += 1) {
    const character = characters[index] as string
    const end = character === '[' ? setEnd(characters, index) : -1
    if (end > 0) {
      tokens.push(oneOf(characters.slice(index + 1, end)))
      index = end
    } else if (character === '*') tokens.push('star')
    else tokens.push(character === '?' ? ANY : only(character))
  }
  return tokens
}

/** Where the set ends that begins here; -1 when it does not: then the bracket is itself. */
function setEnd(characters: readonly string[], start: number): number {
  const negated = characters[start + 1] === '!'
  // A bracket that closes at once is a member.
  return characters.indexOf(']', start + (negated ? 3 : 2))
}

function oneOf(members: readonly string[]): Token {
  const negated = members[0] === '!'
  const ranges: (readonly [from: string, to: string])[] = []
  for (let index = negated ? 1 : 0; index < members.length; index += 1) {
    const from = members[index] as string
    const to = members[index + 1] === '-' ? members[index + 2] : undefined
    ranges.push([from, to ?? from])
    if (to !== undefined) index += 2
  }
  return (character) =>
    ranges.some(([from, to]) => from <= character && character <= to) !== negated
}

/** The pieces of a regular expression that are understood; each is one alternative. */
const PIECE = /\.[*+]|\.|\\[^\w\s]|[\w@ :~#%&=,;'"/-]|(?<other>.)/gsu
const PIECES: ReadonlyMap<string, readonly Token[]> = new Map([
  ['.', [ANY]],
  ['.*', ['star']],
  ['.+', [ANY, 'star']],
])

function regularTokens(pattern: string): readonly Token[] {
  const begun = pattern.replace(/^\^/, '')
  const whole = /(?<!\\)\$$/.test(begun)
  const tokens: Token[] = []
  for (const { 0: piece, groups } of (whole ? begun.slice(0, -1) : begun).matchAll(PIECE)) {
    if (groups?.['other'] !== undefined) {
      throw new NotSupported("of regular expressions only '.', '.*' and '.+' are read: use glob")
    }
    tokens.push(...(PIECES.get(piece) ?? [only(piece.replace(/^\\(?=.)/s, ''))]))
  }
  return whole ? tokens : [...tokens, 'star']
}
