/** The tasks of the Django project that run in TypeScript, and the app that its worker and a client use. */

import { Celery } from '../../src/index.ts'

export interface ShopOptions {
  readonly broker: string
  /** `django-db+…`, or bare: then DATABASE_URL has the address. */
  readonly backend: string
  /** @default true */
  readonly resultExtended?: boolean
  readonly resultSerializer?: string
  readonly queue?: string
}

/** As the settings of the project: the queue `node` is ours, the queue `python` theirs. */
export function createShop({
  broker,
  backend,
  resultExtended = true,
  resultSerializer = 'json',
  queue = 'node',
}: ShopOptions): Celery {
  const app = new Celery('shop', {
    brokerUrl: broker,
    resultBackend: backend,
    resultExtended,
    resultSerializer,
    taskTrackStarted: true,
    acceptContent: ['json', 'msgpack', 'yaml'],
    taskDefaultQueue: queue,
    taskRoutes: { 'py.*': { queue: 'python' }, 'ts.*': { queue } },
  })
  addTasks(app)
  return app
}

class ValueError extends Error {
  override readonly name = 'ValueError'
  readonly excModule = 'builtins'
  readonly args: readonly unknown[]
  constructor(...args: readonly unknown[]) {
    super(String(args[0]))
    this.args = args
  }
}

function addTasks(app: Celery): void {
  app.task('ts.add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)

  app.task('ts.total', (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0))

  app.task('ts.fail', (message: string = 'boom') => {
    throw new ValueError(message, 42)
  })

  app.task('ts.retrying', { bind: true, maxRetries: 3 }, (self, times: number) => {
    if (self.request.retries < times) {
      throw self.retry({ countdown: 0, exc: new ValueError('not yet') })
    }
    return self.request.retries
  })

  app.task('ts.give_up', { bind: true, maxRetries: 3 }, (self) => {
    throw self.retry({ countdown: 3600, exc: new ValueError('not yet') })
  })

  app.task('ts.echo', (value: unknown) => value)

  app.task('ts.silent', { ignoreResult: true }, (x: number) => x)

  app.task('ts.spread', { bind: true }, async (_self, name: string) => {
    return (await app.sendTask(name, [1, 2])).id
  })
}
