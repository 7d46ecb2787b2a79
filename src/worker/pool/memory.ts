/** How much memory a child has: a process what the system counts for it, a thread what is its own heap. */

import { getHeapStatistics } from 'node:v8'
import { isMainThread } from 'node:worker_threads'

/** In KiB. The memory that a thread has outside of its heap, such as buffers, is counted as V8 counts it. */
export function memoryOf(): number {
  if (isMainThread) return process.memoryUsage.rss() / 1024
  const {
    total_heap_size: heap,
    malloced_memory: malloced,
    external_memory: external,
  } = getHeapStatistics()
  return (heap + malloced + external) / 1024
}
