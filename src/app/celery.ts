/** The app: where settings, tasks, broker and backend are put together, each opened when it is needed. */

import { randomUUID } from 'node:crypto'
import { createCodec, type Codec } from '../../protocol/codec.ts'
import { Configuration, type ConfigOptions, type Environment } from '../conf/resolve.ts'
import type { Conf, SettingName, SettingsInput } from '../conf/settings.ts'
import { Control } from '../control/control.ts'
import { ImproperlyConfigured, OperationalError } from '../errors.ts'
import type { Connection } from '../messaging/connection.ts'
import { Producer } from '../messaging/producer.ts'
import { AsyncResult, resultFromTuple, type ResultSource } from '../results/async-result.ts'
import type { ResultBackend } from '../results/backend.ts'
import type { GroupResult } from '../results/group-result.ts'
import { restoreGroup } from '../results/restore.ts'
import type { ResultNode } from '../results/tree.ts'
import { consoleLogger, type Logger } from '../runtime/log.ts'
import { anonNodename } from '../runtime/nodename.ts'
import { registerBuiltins } from '../task/builtins.ts'
import { inherit, noteChild } from '../task/current.ts'
import type { TaskHost } from '../task/host.ts'
import { createMarker, type Marker } from '../task/marker.ts'
import type { TaskOptions } from '../task/options.ts'
import { TaskRegistry } from '../task/registry.ts'
import type { CallOptions, Sender } from '../task/sender.ts'
import { signatureMaker, type SignatureMaker } from '../task/signature-of.ts'
import { taskMaker, type TaskMaker } from '../task/task.ts'
import { createTracer, type Tracer } from '../task/trace.ts'
import { annotated } from './annotations.ts'
import { openAppBackend } from './backend.ts'
import { connectionForRead, connectionForWrite } from './broker.ts'
import { senderOf } from './eager.ts'
import { isOfQueues, partOf, type Part } from './in-use.ts'
import { Publisher } from './publisher.ts'
import { Queues } from './queues.ts'
import { remoteTasks, type Remote } from './remote.ts'
import { resultSourceOf } from './result-source.ts'
import { Router } from './routes.ts'

export interface CeleryOptions {
  /** Where the app and its workers write. @default a console logger, from warnings on */
  readonly logger?: Logger
  /** Stands in for the environment: `CELERY_BROKER_URL` and kin. @default process.env */
  readonly env?: Environment
}

/** @see celery 5.6, app/base.py, `Celery` */
export class Celery implements TaskHost, AsyncDisposable {
  /** The name of the app, for the banner. */
  readonly main: string
  /** The settings. They may be assigned until what they are about is in use. */
  readonly conf: Conf
  readonly tasks: TaskRegistry
  readonly log: Logger
  /** The `reply_to` of what this app sends, and the name of its reply queue. */
  readonly oid: string = randomUUID()
  /** The `origin` of what it sends: `gen<pid>@<host>`. */
  readonly origin: string = anonNodename()
  /** Sends calls, or runs them here and now when `taskAlwaysEager` is set. */
  readonly sender: Sender
  readonly resultSource: ResultSource
  /** Defines a task: its name, options when there are any, and the function. */
  readonly task: TaskMaker
  /** A call that is not yet made: by the task's name, or from its plain data. */
  readonly signature: SignatureMaker
  /** Tells an app from anything else, whichever copy of the package it was made with. */
  readonly '~celeriac' = 'app'

  readonly #configuration: Configuration
  readonly #publisher: Publisher
  #codec: Codec | undefined
  #queues: Queues | undefined
  #router: Router | undefined
  #connection: Connection | undefined
  #producer: Producer | undefined
  #backend: ResultBackend | undefined
  #control: Control | undefined
  #closing: Promise<void> | undefined

  /** Opens nothing: the first call that needs the broker or the backend does. */
  constructor(main = '__main__', settings: SettingsInput = {}, options: CeleryOptions = {}) {
    this.main = main
    this.log = options.logger ?? consoleLogger()
    this.#configuration = new Configuration(options.env ?? process.env, (name) =>
      this.#onChange(name),
    )
    this.conf = this.#configuration.conf
    this.tasks = new TaskRegistry()
    registerBuiltins(this)
    this.#warn(this.#configuration.update(settings, 'change'))
    this.resultSource = resultSourceOf(this)
    this.#publisher = this.#makePublisher()
    this.sender = senderOf(this, () => this.codec, this.#publisher)
    this.task = taskMaker(this)
    this.signature = signatureMaker(this)
  }

  /** Serializers, compressions and limits; register your own here. */
  get codec(): Codec {
    this.#codec ??= createCodec(this.conf.limits)
    return this.#codec
  }

  /** The queues of the settings, and those made since. */
  get queues(): Queues {
    this.#queues ??= new Queues(this.conf)
    return this.#queues
  }

  /** Where results are kept; opened by its first use. */
  get backend(): ResultBackend {
    this.#refuseWhenClosed()
    this.#backend ??= openAppBackend(this)
    return this.#backend
  }

  /** What messages are sent with: one for the app, on one connection. */
  get producer(): Producer {
    this.#refuseWhenClosed()
    this.#connection ??= connectionForWrite(this.#brokerDeps())
    const { taskPublishRetryPolicy: retry } = this.conf
    this.#producer ??= new Producer(this.#connection, { retry })
    return this.#producer
  }

  /** Commands to workers; nothing is opened yet. */
  get control(): Control {
    this.#control ??= new Control(this)
    return this.#control
  }

  /** A connection of one's own to consume from; who asked for it closes it. Nothing is opened yet. */
  connectionForRead(): Connection {
    this.#refuseWhenClosed()
    return connectionForRead(this.#brokerDeps())
  }

  /** The options of a task with those of the settings over them. */
  annotate(name: string, options: TaskOptions): TaskOptions {
    return annotated(this.conf.taskAnnotations, name, options)
  }

  /** The queue that a task goes to when its caller names none. */
  queueFor(name: string): string | undefined {
    this.#router ??= new Router(this.conf)
    const asked = { args: [], kwargs: {}, options: {}, task: this.tasks.get(name) }
    const route = this.#router.route({ name, ...asked })
    return route === undefined ? this.conf.taskDefaultQueue : route.queue
  }

  /** Runs the tasks of this app, as the node of that name. */
  tracer(hostname: string): Tracer {
    return createTracer(this, { hostname })
  }

  /** Says of a request what its run no longer can, as the node of that name. */
  marker(hostname: string): Marker {
    return createMarker(this, { hostname })
  }

  /**
   * Takes settings from an object, in any of Celery's spellings; the constructor's go before them.
   *
   * @throws ImproperlyConfigured for an unknown setting, naming the nearest, and for a wrong value
   */
  configFromObject(source: object, options?: ConfigOptions): this {
    this.#warn(this.#configuration.update(source, 'configure', options))
    return this
  }

  /** Whether `configFromObject()` has set anything. */
  get hasConfigSource(): boolean {
    return this.#configuration.hasSource
  }

  /** The names of the settings that are not at their default. */
  configured(): readonly SettingName[] {
    return this.#configuration.given()
  }

  /**
   * Sends a call by name, also of a task that is not known here; resolves when the broker has it.
   *
   * @throws OperationalError, TimeoutError, UnroutableError, ImproperlyConfigured, EncodeError
   */
  async sendTask<R = unknown>(
    name: string,
    args: readonly unknown[] = [],
    options: CallOptions = {},
  ): Promise<AsyncResult<R>> {
    if (this.conf.taskAlwaysEager) {
      this.log.warning('taskAlwaysEager has no effect on sendTask')
    }
    const result = await this.#publisher.send<R>(name, args, inherit(options))
    noteChild(result.id, options)
    return result
  }

  /** The tasks of an interface, which live elsewhere: `app.remote<PythonTasks>()['ml.embed'].delay('x')`. */
  remote<T>(): Remote<T> {
    return remoteTasks<T>(this)
  }

  /** The result of a task by its id, which may have been stored long ago. */
  asyncResult<R = unknown>(id: string): AsyncResult<R> {
    return new AsyncResult<R>(id, this.resultSource)
  }

  /** The group of an id, as it was saved; undefined when nobody saved it. */
  async groupResult<R = unknown[]>(id: string): Promise<GroupResult<R> | undefined> {
    return (await restoreGroup(id, this.resultSource)) as GroupResult<R> | undefined
  }

  /** The result, or group, that a tuple stands for: what `asTuple()` gives, and a task that returns one. */
  resultFromTuple(tuple: unknown): ResultNode {
    return resultFromTuple(tuple, this.resultSource)
  }

  /** Ends what was opened, once what is in flight is done, for a while; twice is fine. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Its name alone, for logs: its settings hold passwords. */
  toJSON(): string {
    return `<Celery ${this.main}>`
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.#producer?.close()
      await this.#backend?.close()
    } finally {
      await this.#connection?.close()
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closing !== undefined) throw new OperationalError(`the app '${this.main}' is closed`)
  }

  #brokerDeps(): Parameters<typeof connectionForRead>[0] {
    return { conf: this.conf, limits: this.codec.limits, log: this.log }
  }

  #makePublisher(): Publisher {
    return new Publisher({
      conf: this.conf,
      tasks: this.tasks,
      log: this.log,
      results: this.resultSource,
      oid: this.oid,
      origin: this.origin,
      codec: () => this.codec,
      queues: () => this.queues,
      router: () => (this.#router ??= new Router(this.conf)),
      producer: () => this.producer,
    })
  }

  #warn(ignored: readonly string[]): void {
    if (ignored.length === 0) return
    this.log.warning(`these settings have no effect in celeriac: ${ignored.join(', ')}`)
  }

  /** What is in use already would not follow the change. */
  #onChange(name: SettingName): void {
    const inUse = partOf(name)
    if (inUse !== undefined && this.#uses(inUse)) {
      throw new ImproperlyConfigured(
        `setting '${name}' must be set before the ${inUse} is used for the first time`,
      )
    }
    if (isOfQueues(name)) this.#queues = undefined
    if (name === 'task_routes') this.#router = undefined
  }

  #uses(part: Part): boolean {
    const [broker, backend, codec, control] = [
      this.#producer,
      this.#backend,
      this.#codec,
      this.#control,
    ]
    return { broker, backend, codec, control }[part] !== undefined
  }
}

/** Whether a value is an app, also one of another copy of this package. */
export function isCelery(value: unknown): value is Celery {
  const isObject = typeof value === 'object' && value !== null
  return isObject && '~celeriac' in value && value['~celeriac'] === 'app'
}
