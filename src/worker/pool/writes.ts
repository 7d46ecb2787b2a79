/** How the jobs of a pool are spread over its children, as `inspect stats` shows it. */

/** @see celery 5.6, concurrency/asynpool.py, `human_write_stats` */
export function writesOf(
  slots: readonly { readonly jobs: number }[],
  total: number,
  active: number,
): Readonly<Record<string, unknown>> {
  const jobs = slots.map((slot) => slot.jobs)
  const share = (n: number): string => (total > 0 ? n / total : 0).toFixed(2)
  return {
    total,
    avg: share(jobs.length > 0 ? total / jobs.length : 0),
    all: jobs.map(share).join(', '),
    raw: jobs.join(', '),
    strategy: 'fair',
    inqueues: { total: jobs.length, active },
  }
}
