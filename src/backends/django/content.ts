/** Values as text of a column, next to the columns that tell how they were written. */

import { resultLimits } from '../../../protocol/limits.ts'
import type { BackendDeps } from '../deps.ts'

/** What the columns of a row tell of its values. */
export interface ContentColumns {
  readonly content_type: string
  readonly content_encoding: string
}

export interface Contents {
  /** Of everything that is written. */
  readonly columns: ContentColumns
  /** @throws EncodeError when the serializer cannot write it */
  encode(value: unknown): string
  /** Null of a column that is empty. @throws DecodeError, ContentDisallowed */
  decode(columns: ContentColumns, text: string | null): unknown
}

/** What is binary stands as base64. @see django-celery-results 2.6, backends/database.py, `encode_content` */
export function contentsOf({ codec, resultSerializer, accept }: BackendDeps): Contents {
  const { serializers } = codec
  const limits = resultLimits(codec.limits)
  const { contentType, contentEncoding } = serializers.get(resultSerializer)
  const charset = (encoding: string): BufferEncoding => (encoding === 'binary' ? 'base64' : 'utf8')
  return {
    columns: { content_type: contentType, content_encoding: contentEncoding },
    encode: (value) =>
      serializers.dumps(value, resultSerializer).body.toString(charset(contentEncoding)),
    decode: (columns, text) => {
      if (text === null || text === '') return null
      const content = {
        contentType: columns.content_type,
        contentEncoding: columns.content_encoding,
      }
      const body = Buffer.from(text, charset(columns.content_encoding))
      return serializers.loads({ ...content, body }, accept, limits)
    },
  }
}
