/** How much of a stranger's message we read before we refuse it. */

export interface Limits {
  /** Bytes of a body, before and after decompression. @default 67108864 (64 MiB) */
  readonly maxBodyBytes: number
  /** How deep lists and objects may nest; in a stored result 512, if that is more. @default 64 */
  readonly maxDepth: number
  /** How many times larger a decompressed body may be, above 1 MiB. @default 200 */
  readonly maxRatio: number
}

export const DEFAULT_LIMITS: Limits = {
  maxBodyBytes: 64 * 1024 * 1024,
  maxDepth: 64,
  maxRatio: 200,
}

/** The children of a task know their parents, two levels each: a result nests as deep as its chain is long. */
const RESULT_DEPTH = 512

/** The limits on what a result backend holds. */
export function resultLimits(limits: Limits): Limits {
  return { ...limits, maxDepth: Math.max(limits.maxDepth, RESULT_DEPTH) }
}
