/** Rates as Celery writes them: `10/m`, `2/s`, `0.5/h`, a number a second. */

/** null, 0 and `''` are no limit. */
export type Rate = string | number | null

const SECONDS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['s', 1],
  ['m', 60],
  ['h', 3600],
])

const RATE = /^\s*(?<count>\d+(\.\d*)?|\.\d+)\s*(\/(?<unit>\w?))?$/

/**
 * Times a second; 0 is no limit. Undefined for what is no rate: Celery takes some of those, such as
 * `-1/s`, and is kept busy by them.
 *
 * @see celery 5.6, utils/time.py, `rate`
 */
export function perSecond(rate: unknown): number | undefined {
  if (rate === null || rate === undefined || rate === '') return 0
  if (typeof rate === 'number') return Number.isFinite(rate) && rate >= 0 ? rate : undefined
  const parts = typeof rate === 'string' ? RATE.exec(rate)?.groups : undefined
  const seconds = SECONDS.get(parts?.['unit'] ?? '')
  if (parts === undefined || seconds === undefined) return undefined
  const count = Number(parts['count'])
  return Number.isFinite(count) ? count / seconds : undefined
}
