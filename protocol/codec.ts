/** What reads and writes message bodies: serializers, compressions and the limits on both. */

import { CompressionRegistry } from './compression.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { SerializerRegistry } from './serialization/registry.ts'

export interface Codec {
  readonly serializers: SerializerRegistry
  readonly compressions: CompressionRegistry
  readonly limits: Limits
}

/** A codec of its own, so that what one app registers does not reach another. */
export function createCodec(limits: Partial<Limits> = {}): Codec {
  return {
    serializers: new SerializerRegistry(),
    compressions: new CompressionRegistry(),
    limits: { ...DEFAULT_LIMITS, ...limits },
  }
}
