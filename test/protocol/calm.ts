/** Asserts what a reader of strangers' messages must keep, whatever it is given. */

import { expect } from 'chai'
import { CeleryError } from '../../protocol/errors.ts'

/** Milliseconds that the reading of one message may take. */
const MAX_MS = 5

/** How often it is tried before it counts as slow. */
const TRIES = 10

/**
 * It throws nothing but a CeleryError, and takes no longer than it may. The best time of some counts,
 * in time of this process alone: the machine may be busy with other tests.
 */
export function expectCalm(act: () => unknown): void {
  let best = Infinity
  for (let run = 0; run < TRIES && best > MAX_MS; run++) {
    const start = process.cpuUsage()
    try {
      act()
    } catch (error) {
      expect(error).to.be.instanceOf(CeleryError)
    }
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, (user + system) / 1000)
  }
  expect(best).to.be.lessThan(MAX_MS)
}

/** The same object with another value at a path. */
export function replaced(
  object: object,
  [name = '', ...rest]: readonly string[],
  value: unknown,
): object {
  const inner = (object as Record<string, unknown>)[name]
  const put = rest.length === 0 ? value : replaced(inner as object, rest, value)
  return { ...object, [name]: put }
}
