/** What a serializer is: a name, a content type, and a way from a value to bytes and back. */

import type { Limits } from '../limits.ts'

export interface Serializer {
  /** Under which `task_serializer` and `accept_content` know it. */
  readonly name: string
  readonly contentType: string
  /** `utf-8`, or `binary`. */
  readonly contentEncoding: string
  encode(value: unknown): Buffer
  decode(body: Buffer, limits: Limits): unknown
}
