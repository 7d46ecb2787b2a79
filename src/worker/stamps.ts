/** Stamps of tasks that must not run: each a header and one of its values. */

import { own, type PlainObject } from '../../protocol/plain.ts'
import { repr } from '../../protocol/python/repr.ts'
import { Revoked, type RevokedEntry, type RevokedOptions } from './revoked.ts'

/** What a message says of its stamps. */
export interface Stamped {
  readonly stampedHeaders: readonly string[] | null
  readonly stamps: PlainObject
}

/** A value, or several. */
export type Stamp = readonly [header: string, stamp: unknown]

/** Kept in the same bounds as ids are, where Celery has none. @see celery 5.6, worker/state.py, `revoked_stamps` */
export class RevokedStamps {
  readonly #revoked: Revoked

  constructor(options: RevokedOptions = {}) {
    this.#revoked = new Revoked(options)
  }

  get size(): number {
    return this.#revoked.size
  }

  add(header: string, stamp: unknown): void {
    this.#revoked.add(keyOf(header, stamp))
  }

  /** Those of a message's stamps that were revoked. @see celery 5.6, worker/request.py, `revoked` */
  matches({ stampedHeaders, stamps }: Stamped): readonly Stamp[] {
    return (stampedHeaders ?? []).flatMap((header) =>
      stampsOf(own(stamps, header))
        .filter((stamp) => this.#revoked.has(keyOf(header, stamp)))
        .map((stamp): Stamp => [header, stamp]),
    )
  }

  entries(): readonly RevokedEntry[] {
    return this.#revoked.entries()
  }

  merge(entries: readonly RevokedEntry[]): void {
    this.#revoked.merge(entries)
  }
}

/** One value, or several. */
export function stampsOf(given: unknown): readonly unknown[] {
  if (given === undefined) return []
  return Array.isArray(given) ? (given as readonly unknown[]) : [given]
}

/** Equal for equal values, of whatever type. */
function keyOf(header: string, stamp: unknown): string {
  return JSON.stringify([header, repr(stamp)])
}
