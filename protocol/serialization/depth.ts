/** How deep JSON text nests, found before it is parsed. */

import { LimitExceeded } from '../errors.ts'

const QUOTE = 34
const BACKSLASH = 92
/** `[` and `{` differ in this bit alone, and so do `]` and `}`. */
const BRACE_BIT = 32
const OPEN = 123
const CLOSE = 125

/**
 * Refuses text that nests deeper than allowed. V8 parses two million levels without complaint, and
 * then breaks in whoever walks them.
 *
 * @throws LimitExceeded
 */
export function checkDepth(text: string, maxDepth: number): void {
  if (text.length <= maxDepth || countOpen(text, maxDepth) <= maxDepth) return
  let depth = 0
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) index = endOfString(text, index) - 1
    else if ((code | BRACE_BIT) === CLOSE) depth -= 1
    else if ((code | BRACE_BIT) === OPEN && (depth += 1) > maxDepth) {
      throw new LimitExceeded(`the JSON text nests deeper than ${maxDepth} levels`)
    }
  }
}

/** The index after the quote that ends the string which opens at `open`. */
export function endOfString(text: string, open: number): number {
  let close = text.indexOf('"', open + 1)
  while (close !== -1 && isEscaped(text, close)) close = text.indexOf('"', close + 1)
  return close === -1 ? text.length : close + 1
}

function isEscaped(text: string, index: number): boolean {
  let before = index - 1
  while (text.charCodeAt(before) === BACKSLASH) before -= 1
  return (index - before) % 2 === 0
}

/** Opening brackets, those in strings too: nearly always few enough to be done with it. */
function countOpen(text: string, enough: number): number {
  const lists = count(text, '[', enough)
  return lists > enough ? lists : lists + count(text, '{', enough)
}

/** By `indexOf`, which is several times faster than a look at each character. */
function count(text: string, character: string, enough: number): number {
  let found = 0
  let index = text.indexOf(character)
  while (index !== -1 && found <= enough) {
    found += 1
    index = text.indexOf(character, index + 1)
  }
  return found
}
