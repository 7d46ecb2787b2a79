/** Reads many values from Redis at once: what is asked for in the same moment goes in one MGET. */

import type { RetryPolicy } from '../../runtime/retry.ts'
import type { RedisLink } from './link.ts'

/** Who asks for a state wants an answer, or an error, soon. */
const POLICY: RetryPolicy = { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 0.2 }

const MAX_BATCH = 512

interface Entry {
  readonly key: string
  resolve(value: Buffer | null): void
  reject(reason: Error): void
}

export class ResultReader {
  readonly #link: RedisLink
  #line: Entry[] = []

  constructor(link: RedisLink) {
    this.#link = link
  }

  read(key: string): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      if (this.#line.push({ key, resolve, reject }) === 1) setImmediate(() => this.#flush())
    })
  }

  #flush(): void {
    const line = this.#line
    this.#line = []
    for (let from = 0; from < line.length; from += MAX_BATCH) {
      const batch = line.slice(from, from + MAX_BATCH)
      const keys = batch.map(({ key }) => key)
      void this.#link
        .retry('cannot read a result', (redis) => redis.mgetBuffer(keys), POLICY)
        .then(
          (values) => batch.forEach((entry, index) => entry.resolve(values[index] ?? null)),
          (error: unknown) => batch.forEach((entry) => entry.reject(error as Error)),
        )
    }
  }
}
