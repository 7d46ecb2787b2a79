/** Stamps of tasks that must not run: each a header and one of its values. */

import { own, type PlainObject } from '../../protocol/plain.ts'
import { repr, saferepr } from '../../protocol/python/repr.ts'
import { Revoked, type RevokedEntry, type RevokedOptions } from './revoked.ts'

/** What a message says of its stamps. */
export interface Stamped {
  readonly stampedHeaders: readonly string[] | null
  readonly stamps: PlainObject
}

/** A value, or several. */
export type Stamps = unknown

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

  /**
   * The first revoked stamp of a message, as Celery shows it: `{'header': 'value'}`.
   *
   * @see celery 5.6, worker/request.py, `revoked`
   */
  match({ stampedHeaders, stamps }: Stamped): string | undefined {
    for (const header of stampedHeaders ?? []) {
      for (const stamp of stampsOf(own(stamps, header))) {
        if (this.#revoked.has(keyOf(header, stamp))) return saferepr({ [header]: stamp })
      }
    }
    return undefined
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
