/** The tasks of the interop suite in TypeScript, and the app that both its worker and its client use. */

import { appendFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Celery, Ignore, Reject } from '../../src/index.ts'

/** An app of the suite: the queue `node` is ours, the queue `python` theirs. */
export function createApp(
  brokerUrl: string | undefined,
  resultBackend: string | undefined,
  transportOptions: Readonly<Record<string, unknown>> = {},
  resultSerializer: string = process.env['INTEROP_RESULT_SERIALIZER'] ?? 'json',
): Celery {
  return new Celery('interop', {
    ...(brokerUrl === undefined ? {} : { brokerUrl }),
    ...(resultBackend === undefined ? {} : { resultBackend }),
    acceptContent: ['json', 'msgpack', 'yaml'],
    resultAcceptContent: ['json', 'msgpack', 'yaml'],
    resultSerializer,
    taskDefaultQueue: 'node',
    taskRoutes: { 'py.*': { queue: 'python' }, 'ts.*': { queue: 'node' } },
    brokerTransportOptions: transportOptions,
  })
}

export class TenantError extends Error {
  override readonly name = 'TenantError'
  readonly args: readonly unknown[]
  constructor(...args: readonly unknown[]) {
    super(String(args[0]))
    this.args = args
  }
}

const visibilityTimeout = process.env['INTEROP_VISIBILITY_TIMEOUT']

export const app = createApp(
  process.env['CELERY_BROKER_URL'],
  process.env['CELERY_RESULT_BACKEND'],
  visibilityTimeout === undefined ? {} : { visibilityTimeout: Number(visibilityTimeout) },
)

app.task('ts.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)

app.task('ts.mul', (x: number, y: number) => x * y)

app.task('ts.echo', (...args: unknown[]) => args)

app.task('ts.describe', (value: unknown) => `${kindOf(value)} ${String(value)}`)

app.task('ts.fail', (message: string = 'boom') => {
  throw new TypeError(message)
})

app.task('ts.fail_tenant', () => {
  throw new TenantError('acme', { limit: [1, 2] })
})

app.task('ts.retrying', { bind: true, maxRetries: 3 }, (self, times: number) => {
  if (self.request.retries < times) {
    throw self.retry({ countdown: 0.1, exc: new Error('not yet') })
  }
  return self.request.retries
})

app.task('ts.progress', { bind: true }, async (self, steps: number) => {
  for (let done = 1; done <= steps; done += 1) {
    await self.updateState('PROGRESS', { done, total: steps })
    await sleep(100)
  }
  return steps
})

app.task('ts.spread', { bind: true }, (self, ...calls: [string, ...unknown[]][]) => {
  const tasks = calls.map(([name, ...args]) => app.signature(name, args).toJSON())
  const group = { ...app.signature('celery.group').toJSON(), kwargs: { tasks } }
  return self.replace({ ...group, subtask_type: 'group' })
})

app.task('ts.more', { bind: true }, async (self, name: string, ...args: unknown[]) => {
  await self.addToChord(app.signature(name, args))
  return 'first'
})

app.task('ts.context', { bind: true }, (self) => {
  const { request } = self
  return {
    id: request.id,
    root_id: request.rootId,
    parent_id: request.parentId,
    retries: request.retries,
    eta: request.eta,
    expires: request.expires,
    priority: request.deliveryInfo.priority,
    routing_key: request.deliveryInfo.routingKey,
    headers: Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => name.startsWith('x-')),
    ),
    timelimit: [request.timeLimit, request.softTimeLimit],
    reply_to: request.replyTo,
    correlation_id: request.correlationId,
    redelivered: request.deliveryInfo.redelivered,
    argsrepr: request.argsrepr,
    kwargsrepr: request.kwargsrepr,
    hostname: request.hostname,
    ignore_result: request.ignoreResult,
  }
})

app.task('ts.ignored', () => {
  throw new Ignore()
})

app.task('ts.rejected', { acksLate: true }, () => {
  throw new Reject('no', { requeue: false })
})

app.task('ts.silent', { ignoreResult: true }, (x: unknown) => x)

app.task('ts.slow', { acksLate: true }, async (path: string, seconds: number) => {
  await appendFile(path, 'start\n')
  await sleep(seconds * 1000)
  await appendFile(path, 'end\n')
  return 'slept'
})

app.task('ts.sleep', { bind: true }, async (self, seconds: number) => {
  await sleep(seconds * 1000, undefined, { signal: self.signal })
})

/** Takes its process along. */
app.task('ts.die', () => process.kill(process.pid, 'SIGKILL'))

app.task('ts.record', async (path: string, ...words: unknown[]) => {
  await appendFile(path, `${words.map(String).join(' ')}\n`)
})

app.task('ts.errback', async (taskId: string, path: string) => {
  await appendFile(path, `${taskId}\n`)
})

/** What JavaScript calls a value: `Buffer`, `bigint`, `PythonDateTime`, … */
function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'object' ? value.constructor.name : typeof value
}
