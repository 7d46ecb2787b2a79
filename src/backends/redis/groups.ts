/** Groups on Redis, under Celery's keys. */

import { decodeGroupMeta, encodeGroupMeta, type ResultTuple } from '../../../protocol/result.ts'
import type { GroupStore } from '../../results/backend.ts'
import type { KeyValue } from '../key-value.ts'
import type { RedisLink } from './link.ts'
import type { ResultReader } from './reader.ts'
import type { ResultWriter } from './writer.ts'

export interface RedisGroupsOptions {
  readonly link: RedisLink
  readonly writer: ResultWriter
  readonly reader: ResultReader
  readonly keyValue: KeyValue
}

export class RedisGroups implements GroupStore {
  readonly #options: RedisGroupsOptions

  constructor(options: RedisGroupsOptions) {
    this.#options = options
  }

  async save(group: ResultTuple): Promise<void> {
    const { writer, keyValue } = this.#options
    const [[id]] = group
    await writer.store(keyValue.keys.group(id), keyValue.dumps(encodeGroupMeta(group)))
  }

  async restore(groupId: string): Promise<ResultTuple | undefined> {
    const { reader, keyValue } = this.#options
    const raw = await reader.read(keyValue.keys.group(groupId))
    return raw === null ? undefined : decodeGroupMeta(keyValue.loads(raw))
  }

  async forget(groupId: string): Promise<void> {
    const { link, keyValue } = this.#options
    const key = keyValue.keys.group(groupId)
    await link.retry('cannot forget a group', (redis) => redis.del(key))
  }
}
