/** Waits for something to become true, and says what it waited for when it does not. */

import { setTimeout as sleep } from 'node:timers/promises'

/** Asks again every few milliseconds; the value that is neither undefined nor false. */
export async function until<T>(
  condition: () => T | Promise<T>,
  { seconds = 10, what = 'the condition' }: { seconds?: number; what?: string } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== null && value !== false) {
      return value as NonNullable<Exclude<T, false>>
    }
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`)
    await sleep(5)
  }
}

/** Rejects when the promise takes longer than it may. */
export async function within<T>(seconds: number, promise: Promise<T>, what = 'it'): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} took longer than ${seconds} s`)),
      seconds * 1000,
    )
  })
  return await Promise.race([promise, timeout]).finally(() => clearTimeout(timer))
}
