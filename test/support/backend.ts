/** What tests open result backends with. */

import { createCodec } from '../../protocol/codec.ts'
import type { ResultMeta } from '../../protocol/result.ts'
import type { BackendDeps } from '../../src/backends/deps.ts'
import { SILENT } from '../../src/runtime/log.ts'

export function backendDeps(more: Partial<BackendDeps> = {}): BackendDeps {
  const codec = createCodec()
  return {
    codec,
    resultSerializer: 'json',
    accept: codec.serializers.contentTypes(['json', 'msgpack', 'yaml']),
    resultExpires: 86_400,
    resultExtended: false,
    transportOptions: {},
    retry: { always: false, maxRetries: null, baseSleepMs: 10, maxSleepMs: 10_000 },
    redis: {
      socketTimeout: 120,
      socketConnectTimeout: undefined,
      clientName: undefined,
      tls: undefined,
    },
    database: {
      url: undefined,
      engineOptions: {},
      tableSchemas: {},
      tableNames: {},
      createTablesAtSetup: true,
    },
    cache: { backend: undefined, options: {} },
    rpc: {
      oid: 'nobody',
      connection: () => {
        throw new Error('this test has no broker')
      },
      producer: () => {
        throw new Error('this test has no broker')
      },
      persistent: false,
    },
    log: SILENT,
    ...more,
  }
}

/** A meta as a worker stores it. */
export function meta(
  taskId: string,
  status: string,
  result: unknown = null,
  more: Partial<ResultMeta> = {},
): ResultMeta {
  const dateDone = ['SUCCESS', 'FAILURE', 'REVOKED'].includes(status)
    ? '2026-11-22T07:56:50.996226+00:00'
    : null
  return { taskId, status, result, traceback: null, children: [], dateDone, ...more }
}

/** What Celery stores of an exception. */
export function exception(type: string, args: readonly unknown[], module = 'builtins'): unknown {
  return { exc_type: type, exc_message: args, exc_module: module }
}
