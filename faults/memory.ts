/** How much memory a process takes, as the system sees it. */

import { readFileSync } from 'node:fs'

const MB = 2 ** 20

/** Bytes of a process in memory; 0 when it is gone. */
function resident(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

export interface MemoryWatch {
  /** In MB, when it began. */
  readonly first: number
  /** In MB; ends the watch. */
  readonly most: () => number
}

export function watchMemory(pid: number): MemoryWatch {
  const first = resident(pid) / MB
  let most = first
  const timer = setInterval(() => (most = Math.max(most, resident(pid) / MB)), 200)
  return {
    first,
    most: () => {
      clearInterval(timer)
      return most
    },
  }
}
