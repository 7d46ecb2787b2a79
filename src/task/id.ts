/** Task ids. */

import { randomUUID } from 'node:crypto'

/** A random UUID, as kombu's `uuid()` makes them. */
export function newId(): string {
  return randomUUID()
}
