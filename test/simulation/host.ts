/** What one simulated process has of the app: its settings and tasks, on connections and a backend of its own. */

import type { Celery } from '../../src/app/celery.ts'
import { Publisher } from '../../src/app/publisher.ts'
import { Router } from '../../src/app/routes.ts'
import { Mailbox } from '../../src/control/mailbox.ts'
import { Connection } from '../../src/messaging/connection.ts'
import { Producer } from '../../src/messaging/producer.ts'
import type { Transport } from '../../src/messaging/transport.ts'
import type { ResultBackend } from '../../src/results/backend.ts'
import type { RetryPolicy } from '../../src/runtime/retry.ts'
import { createTracer } from '../../src/task/trace.ts'

/** As src/app/broker.ts has them. */
const ONCE: RetryPolicy = { maxRetries: 0, intervalStart: 0, intervalStep: 0, intervalMax: 0 }
const READ: RetryPolicy = { maxRetries: 100, intervalStart: 0.2, intervalStep: 1, intervalMax: 10 }

export interface Ports {
  readonly transport: () => Transport
  readonly backend: ResultBackend
}

/** An app in all but its broker and backend; only those parts that a process has of its own are made anew. */
export function processApp(app: Celery, { transport, backend }: Ports): Celery {
  const { log } = app
  const connection = (retry: RetryPolicy): Connection =>
    new Connection({ transports: [transport()], retry, logger: log })
  let producer: Producer | undefined
  let mailbox: Mailbox | undefined
  const results = { backend, revoke: async (): Promise<void> => {} }
  const own = {
    backend,
    resultSource: results,
    connectionForRead: () => connection(READ),
    tracer: (hostname: string) => createTracer(host, { hostname }),
    get producer() {
      return (producer ??= new Producer(connection(ONCE), {
        retry: app.conf.taskPublishRetryPolicy,
      }))
    },
    get control() {
      return { mailbox: (mailbox ??= new Mailbox(host)) }
    },
    get sender() {
      return sender
    },
  }
  const sender = new Publisher({
    conf: app.conf,
    tasks: app.tasks,
    log,
    results,
    oid: app.oid,
    origin: app.origin,
    codec: () => app.codec,
    queues: () => app.queues,
    router: () => routerOf(app),
    producer: () => own.producer,
  })
  const host: Celery = new Proxy(app, {
    get: (target, key) =>
      Object.hasOwn(own, key) ? own[key as keyof typeof own] : Reflect.get(target, key, target),
  })
  return host
}

const routers = new WeakMap<Celery, Router>()

function routerOf(app: Celery): Router {
  const router = routers.get(app) ?? new Router(app.conf)
  routers.set(app, router)
  return router
}
