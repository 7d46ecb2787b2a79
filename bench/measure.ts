/** What a process and its children have used so far, and how fast a result database fills. */

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'

/** Kernel ticks a second: always 100 on Linux for user space. */
const TICKS = 100

interface Usage {
  /** Seconds of processor, of the process and all its descendants. */
  readonly cpu: number
  /** MiB of memory at its peak, summed over the processes. */
  readonly memory: number
}

/** Reads /proc; descendants are found by their parent. */
function usageOf(pid: number): Usage {
  return [pid, ...descendants(pid)]
    .map(usageOfOne)
    .reduce((a, b) => ({ cpu: a.cpu + b.cpu, memory: a.memory + b.memory }))
}

function usageOfOne(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ')
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '0'
  return { cpu: (Number(fields[11]) + Number(fields[12])) / TICKS, memory: Number(peak) / 1024 }
}

function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim()
  return children
    .split(' ')
    .filter(Boolean)
    .map(Number)
    .flatMap((child) => [child, ...descendants(child)])
}

export interface Drain {
  /** Tasks a second, between the first tenth and the last task. */
  readonly rate: number
  /** Microseconds of processor a task, of the worker alone. */
  readonly cpu: number
  /** MiB at the peak. */
  readonly memory: number
}

/** Watches the number of results grow to `total`; the start of the worker does not count. */
export async function drain(results: Redis, total: number, pid: number): Promise<Drain> {
  const first = await reach(results, total / 10)
  const before = usageOf(pid)
  const last = await reach(results, total)
  const after = usageOf(pid)
  const tasks = last.count - first.count
  return {
    rate: (tasks / (last.at - first.at)) * 1000,
    cpu: ((after.cpu - before.cpu) / tasks) * 1e6,
    memory: after.memory,
  }
}

async function reach(results: Redis, count: number): Promise<{ at: number; count: number }> {
  const end = Date.now() + 120_000
  for (;;) {
    const now = await results.dbsize()
    if (now >= count) return { at: performance.now(), count: now }
    if (Date.now() > end) throw new Error(`${now} of ${count} results after 120 s`)
    await sleep(10)
  }
}

/** Calls a function `count` times, `window` of them at a time; resolves to calls a second. */
export async function rateOf(
  count: number,
  window: number,
  call: () => Promise<unknown>,
): Promise<number> {
  let left = count
  const begin = performance.now()
  const lane = async (): Promise<void> => {
    while ((left -= 1) >= 0) await call()
  }
  await Promise.all(Array.from({ length: window }, lane))
  return (count / (performance.now() - begin)) * 1000
}

const WARM_UP = 50

/** Milliseconds of each of `count` calls, one after another; the first ones do not count. */
export async function timesOf(count: number, call: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let n = -WARM_UP; n < count; n += 1) {
    const begin = performance.now()
    await call()
    if (n >= 0) times.push(performance.now() - begin)
  }
  return times
}

export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] ?? Number.NaN
}
