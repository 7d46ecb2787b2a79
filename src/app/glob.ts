/** Shell patterns as Python's fnmatch has them, matched in time that grows with text times pattern, never more. */

/** One place of the pattern: any run, any one letter, or one letter of a set. */
type Token = '*' | '?' | { readonly test: (letter: string) => boolean }

/**
 * A test for whole names: `*` is any text, `?` one letter, `[abc]`, `[a-z]` and `[!x]` one of a set.
 *
 * @see python 3, fnmatch.py, `translate`; celery 5.6, app/routes.py, `MapRoute`
 */
export function glob(pattern: string): (name: string) => boolean {
  const tokens = tokenize(pattern)
  return (name) => matches(tokens, Array.from(name))
}

/** Goes back to the last star only: what an earlier one could still take, the last one can take too. */
function matches(tokens: readonly Token[], letters: readonly string[]): boolean {
  let [at, token, star, resume] = [0, 0, -1, 0]
  while (at < letters.length) {
    const now = tokens[token]
    if (now === '*') {
      star = token++
      resume = at
    } else if (now !== undefined && takes(now, letters[at] ?? '')) {
      token++
      at++
    } else if (star !== -1) {
      token = star + 1
      at = ++resume
    } else return false
  }
  while (tokens[token] === '*') token++
  return token === tokens.length
}

function takes(token: Token, letter: string): boolean {
  return typeof token === 'string' ? token === '?' : token.test(letter)
}

function tokenize(pattern: string): readonly Token[] {
  const letters = Array.from(pattern)
  const tokens: Token[] = []
  for (let i = 0; i < letters.length; i++) {
    const letter = letters[i] ?? ''
    const end = letter === '[' ? setEnd(letters, i) : -1
    if (letter === '*' || letter === '?') tokens.push(letter)
    else if (end === -1) tokens.push({ test: (other) => other === letter })
    else {
      tokens.push(set(letters.slice(i + 1, end)))
      i = end
    }
  }
  return tokens
}

/** Where the bracket closes; one that stands first is a letter; -1 when it never does. */
function setEnd(letters: readonly string[], open: number): number {
  let first = open + 1
  if (letters[first] === '!') first++
  return letters.indexOf(']', first + 1)
}

function set(content: readonly string[]): Token {
  const negated = content[0] === '!'
  const members = negated ? content.slice(1) : content
  const ranges: (readonly [string, string])[] = []
  for (let i = 0; i < members.length; i++) {
    const [low = '', dash, high] = members.slice(i, i + 3)
    const isRange = dash === '-' && high !== undefined
    ranges.push([low, isRange ? high : low])
    if (isRange) i += 2
  }
  return {
    test: (letter) => negated !== ranges.some(([low, high]) => low <= letter && letter <= high),
  }
}
