/** A sender that keeps what it is given, and a backend that keeps what is stored: nothing else. */

import type { ResultMeta } from '../../protocol/result.ts'
import { NO_EMBED } from '../../protocol/task/task-message.ts'
import { NotSupported } from '../../src/errors.ts'
import { AsyncResult } from '../../src/results/async-result.ts'
import type { ResultBackend, StoreOptions } from '../../src/results/backend.ts'
import { SILENT, type Logger } from '../../src/runtime/log.ts'
import { registerBuiltins } from '../../src/task/builtins.ts'
import type { HostSettings, TaskHost } from '../../src/task/host.ts'
import { newId } from '../../src/task/id.ts'
import { localRequest } from '../../src/task/local-request.ts'
import type { TaskOptions } from '../../src/task/options.ts'
import { TaskRegistry } from '../../src/task/registry.ts'
import type { Outcome, TaskRequest } from '../../src/task/request.ts'
import type { CallOptions, Sender } from '../../src/task/sender.ts'
import { createTask, type TaskMaker } from '../../src/task/task.ts'
import { sourceOf } from '../../src/runtime/cancellation.ts'
import { createTracer } from '../../src/task/trace.ts'

export const SETTINGS: HostSettings = {
  taskAcksLate: false,
  taskAcksOnFailureOrTimeout: true,
  taskRejectOnWorkerLost: false,
  taskTrackStarted: false,
  taskIgnoreResult: false,
  taskStoreErrorsEvenIfIgnored: false,
  taskStoreEagerResult: false,
  taskDefaultRateLimit: null,
  taskAlwaysEager: false,
  taskEagerPropagates: false,
  taskInheritParentPriority: false,
  taskAllowErrorCbOnChordHeader: false,
  taskProtocol: 2,
  resultExtended: false,
  resultChordJoinTimeout: 3,
  resultChordRetryInterval: 1,
  workerDeduplicateSuccessfulTasks: false,
}

export interface Sent {
  readonly task: string
  readonly args: readonly unknown[]
  readonly options: CallOptions
}

export class FakeSender implements Sender {
  readonly sent: Sent[] = []
  failWith: Error | undefined
  readonly #backend: ResultBackend

  constructor(backend: ResultBackend) {
    this.#backend = backend
  }

  async send<R>(
    task: string,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<AsyncResult<R>> {
    if (this.failWith !== undefined) throw this.failWith
    this.sent.push({ task, args, options })
    return new AsyncResult<R>(options.taskId ?? newId(), { backend: this.#backend })
  }

  get last(): Sent {
    const last = this.sent.at(-1)
    if (last === undefined) throw new Error('nothing was sent')
    return last
  }
}

export class FakeBackend implements ResultBackend {
  capabilities = { persistent: true }
  readonly address = 'fake://'
  readonly stored: { meta: ResultMeta; options: StoreOptions }[] = []
  /** Refuses a meta, before it is kept. */
  refuse: ((meta: ResultMeta) => void) | undefined

  get groups(): never {
    throw new NotSupported('the fake backend keeps no groups')
  }
  async start(): Promise<void> {}
  async close(): Promise<void> {}
  async store(meta: ResultMeta, options: StoreOptions = {}): Promise<void> {
    this.refuse?.(meta)
    this.stored.push({ meta, options })
  }
  async fetch(taskId: string): Promise<ResultMeta> {
    const found = this.stored.findLast(({ meta }) => meta.taskId === taskId)
    const pending = { status: 'PENDING', result: null, traceback: null, children: null }
    return found?.meta ?? { taskId, ...pending, dateDone: null }
  }
  async fetchMany(taskIds: readonly string[]): Promise<readonly ResultMeta[]> {
    return Promise.all(taskIds.map((id) => this.fetch(id)))
  }
  subscribe(): () => void {
    return () => {}
  }
  async onTaskCall(): Promise<void> {}
  async forget(): Promise<void> {}

  get metas(): readonly ResultMeta[] {
    return this.stored.map(({ meta }) => meta)
  }
  get last(): ResultMeta {
    const last = this.stored.at(-1)
    if (last === undefined) throw new Error('nothing was stored')
    return last.meta
  }
}

export interface Fixture {
  readonly host: TaskHost
  readonly task: TaskMaker
  readonly sender: FakeSender
  readonly backend: FakeBackend
  /** What was logged, level and text. */
  readonly logged: string[]
  run(request: Partial<TaskRequest> & { task: string }, signal?: AbortSignal): Promise<Outcome>
}

const NOW = new Date('2026-11-22T08:18:25.313Z')

/** An app as far as tasks see it. */
export function fixture(conf: Partial<HostSettings> = {}): Fixture {
  const backend = new FakeBackend()
  const sender = new FakeSender(backend)
  const logged: string[] = []
  const host: TaskHost = {
    conf: { ...SETTINGS, ...conf },
    tasks: new TaskRegistry(),
    sender,
    backend,
    log: recorder(logged),
    oid: 'the-oid',
  }
  registerBuiltins(host)
  const tracer = createTracer(host, {
    hostname: 'w1@host',
    pid: 42,
    now: () => NOW,
    random: () => 0.5,
  })
  const run: Fixture['run'] = (request, signal = new AbortController().signal) =>
    tracer(requestOf(request), sourceOf(signal))
  return { host, task: makerFor(host), sender, backend, logged, run }
}

/** A request as the worker makes it from a message. */
function requestOf(request: Partial<TaskRequest> & { task: string }): TaskRequest {
  return localRequest({
    args: [],
    kwargs: {},
    id: 'id-1',
    rootId: 'id-1',
    hostname: 'w1@host',
    replyTo: 'client-oid',
    correlationId: 'id-1',
    deliveryInfo: { exchange: '', routingKey: 'celery', priority: null, redelivered: false },
    ...request,
    embed: { ...NO_EMBED, ...request.embed },
  })
}

function recorder(lines: string[]): Logger {
  const entries = Object.keys(SILENT).map((level) => [
    level,
    (message: string) => lines.push(`${level}: ${message}`),
  ])
  return Object.fromEntries(entries) as Logger
}

/** What `app.task` is, without an app. */
function makerFor(host: TaskHost): TaskMaker {
  const make = (name: string, given: unknown, fn?: unknown): unknown =>
    typeof given === 'function'
      ? createTask(host, name, {}, given as () => unknown)
      : createTask(host, name, given as TaskOptions, fn as () => unknown)
  return make as TaskMaker
}
