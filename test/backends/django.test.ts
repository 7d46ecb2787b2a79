/** Whether results in a Django database are what every backend must give, in tables that Django made. */

import { DjangoBackend } from '../../src/backends/django/backend.ts'
import { DjangoDatabase } from '../../src/backends/django/database.ts'
import { TASKS } from '../../src/backends/django/tables.ts'
import type { BackendDeps } from '../../src/backends/deps.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { backendContract } from '../contracts/backend.ts'
import { groupContract, groupStoreContract } from '../contracts/groups.ts'
import { backendDeps } from '../support/backend.ts'
import { DATABASES, migrated } from '../support/django.ts'

/** Tests share a process, where SQLite's locks are held longer than they may be waited for. */
const SOON = {
  retryPolicy: { maxRetries: 100, intervalStart: 0, intervalStep: 0.02, intervalMax: 0.1 },
}

for (const [name, create] of Object.entries(DATABASES)) {
  describe(`results of Django in ${name}`, () => {
    let url: string
    let database: DjangoDatabase

    before(async function () {
      this.timeout(60_000)
      url = await migrated(create)
      database = new DjangoDatabase({ url, log: SILENT, policy: SOON.retryPolicy })
    })
    after(() => database.close())
    // the contract calls its tasks by the same names again and again
    beforeEach(() => database.retry('cannot empty it', (db) => db.deleteFrom(TASKS).execute()))

    const open = (more: Partial<BackendDeps> = {}): DjangoBackend =>
      new DjangoBackend(url, backendDeps({ transportOptions: SOON, ...more }))

    backendContract(async () => ({
      client: open(),
      worker: open(),
      options: {},
      close: async () => {},
    }))
    groupStoreContract(async () => open())
    groupContract(async () => open(), { keeps: 'first' })
  })
}
