/** Seeds of histories that once went wrong, by what was found in them. */

export const REGRESSIONS: Readonly<Record<string, readonly number[]>> = {
  'a retry that could not be sent was rejected, and in no queue': [21, 26, 59, 116, 181, 217],
  'RETRY was stored over the end of the next try': [152, 731, 827, 844, 1060, 1360],
  'what could not be called STARTED, or told from a duplicate, was acked and did not run': [
    24, 28, 51, 267, 374, 505, 543,
  ],
  'the same, and a retry that could not be sent, of what was acked before': [7, 66, 101, 107, 213],
  'a new connection was told the prefetch count of the lost one': [1133, 2666, 2953, 3507],
  'a worker that was stopped while it started tried to consume for ever': [208, 402, 555, 1543],
}
