/** No backend: what a task returns is kept nowhere, and asking for it says so. */

import type { ResultMeta } from '../../protocol/result.ts'
import { NotSupported, ResultDisabledError } from '../errors.ts'
import type { BackendCapabilities, ResultBackend, Unsubscribe } from '../results/backend.ts'

/** @see celery 5.6, backends/base.py, `E_NO_BACKEND` */
const NO_BACKEND =
  'No result backend is configured.\nPlease see the documentation for more information.'

/** Who saves a group is told, too. @see celery 5.6, backends/base.py, `E_CHORD_NO_BACKEND` */
const NO_CHORDS = `Starting chords requires a result backend to be configured, and so does saving groups.

Note that a group chained with a task is also upgraded to be a chord,
as this pattern requires synchronization.

Result backends that supports chords: Redis, Database, Memcached, and more.`

/** @see celery 5.6, backends/base.py, `DisabledBackend` */
export class DisabledBackend implements ResultBackend {
  readonly capabilities: BackendCapabilities = { persistent: false }
  readonly address = 'disabled://'

  get groups(): never {
    throw new NotSupported(NO_CHORDS)
  }

  async start(): Promise<void> {}

  async close(): Promise<void> {}

  async store(): Promise<void> {}

  async fetch(): Promise<ResultMeta> {
    throw new ResultDisabledError(NO_BACKEND)
  }

  async fetchMany(): Promise<readonly ResultMeta[]> {
    throw new ResultDisabledError(NO_BACKEND)
  }

  subscribe(): Unsubscribe {
    throw new ResultDisabledError(NO_BACKEND)
  }

  async onTaskCall(): Promise<void> {}

  async forget(): Promise<void> {
    throw new ResultDisabledError(NO_BACKEND)
  }
}
