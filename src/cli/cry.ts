/** What a worker is about at this moment, for who wonders why nothing moves: SIGUSR1. */

import type { Worker } from '../worker/worker.ts'

const LINE = '='.repeat(49)

/**
 * A stack would show nothing but this: a signal is only heard when no JavaScript runs. What is awaited
 * meanwhile has no stack, so this tells of tasks, and of what the process has open.
 *
 * @see celery 5.6, apps/worker.py, `install_cry_handler`
 */
export function cry({ hostname, state }: Pick<Worker, 'hostname' | 'state'>, now: number): string {
  const lines = [`${hostname} (pid ${process.pid})`, LINE]
  lines.push(
    `${state.active.size} active, ${state.reserved.size} reserved, ${state.scheduled.size} scheduled`,
  )
  for (const { label, startedAt = now, settled } of state.active) {
    const seconds = ((now - startedAt) / 1000).toFixed(1)
    lines.push(`  ${label} for ${seconds}s${settled ? '' : ', not acknowledged'}`)
  }
  const open = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) open.set(name, (open.get(name) ?? 0) + 1)
  lines.push(LINE, ...[...open].map(([name, count]) => `${name} ${count}`), LINE)
  return lines.join('\n')
}
