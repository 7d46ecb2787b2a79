/** What results ask of their app: the backend, and to revoke. */

import type { Control } from '../control/control.ts'
import type { ResultBackend } from '../results/backend.ts'
import type { ResultSource } from '../results/source.ts'

/** Results open the backend when they are asked, not when they are made. */
export function resultSourceOf(app: {
  readonly backend: ResultBackend
  readonly control: Pick<Control, 'revoke' | 'revokeByStampedHeaders'>
}): ResultSource {
  return {
    get backend() {
      return app.backend
    },
    revoke: async (taskId, { wait = false, ...options }) => {
      await app.control.revoke(taskId, { ...options, reply: wait })
    },
    revokeByStampedHeaders: async (headers, { wait = false, ...options }) => {
      await app.control.revokeByStampedHeaders(headers, { ...options, reply: wait })
    },
  }
}
