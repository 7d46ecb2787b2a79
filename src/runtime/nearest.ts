/** The known name that an unknown one was probably meant to be. */

/** The nearest of the names, or undefined when none is within a third of the letters. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase()
  let best: string | undefined
  let least = Math.max(2, Math.floor(Math.min(name.length, 60) / 3)) + 1
  for (const candidate of names) {
    if (Math.abs(candidate.length - name.length) >= least) continue
    const edits = distance(wanted, candidate.toLowerCase())
    if (edits < least) [best, least] = [candidate, edits]
  }
  return best
}

/** `; did you mean 'x'?`, or nothing. */
export function hint(name: string, names: Iterable<string>): string {
  const found = nearest(name, names)
  return found === undefined ? '' : `; did you mean '${found}'?`
}

/** How many letters must be put in, taken out or replaced (Levenshtein). */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    above = row
  }
  return above[b.length] ?? 0
}
