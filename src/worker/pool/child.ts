/** The main of a child, process or thread: loads the app, then runs job after job until it is told to end. */

import { isDeepStrictEqual } from 'node:util'
import { isMainThread, parentPort } from 'node:worker_threads'
import type { Celery } from '../../app/celery.ts'
import { configFromEnvironment, findApp, importModules } from '../../app/load.ts'
import { Cancellation } from '../../runtime/cancellation.ts'
import type { Outcome, TaskRequest } from '../../task/request.ts'
import { workerProcessInit, workerProcessShutdown } from '../signals.ts'
import { readWire, type WireRequest } from '../wire.ts'
import { fromPlain, isOurs, toPlain, type FromChild, type Setup, type ToChild } from './ipc.ts'
import { memoryOf } from './memory.ts'
import { markAsChild } from './mark.ts'

/** What it is once it was set up. */
interface Ready {
  readonly app: Celery
  readonly setup: Setup
  readonly run: (wire: WireRequest, source: Cancellation) => Promise<Outcome>
}

let ready: Ready | undefined
/** Of the job that runs. */
let cancellation: Cancellation | undefined

function send(message: FromChild): void {
  if (parentPort === null) return void process.send?.(message, undefined, {}, () => {})
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- this is no window
  parentPort.postMessage(message)
}

async function setUp(setup: Setup): Promise<void> {
  try {
    ready = await makeReady(setup)
    send({ celeriac: 'up' })
  } catch (error) {
    send({ celeriac: 'failed', error: toPlain(error) })
    // what the app has opened so far must not keep it alive
    setTimeout(() => process.exit(1), 10)
  }
}

async function makeReady(setup: Setup): Promise<Ready> {
  const { hostname, processName, cwd } = setup
  if (processName !== undefined) {
    process.env['CELERY_PROCESS_NAME'] = processName
    process.title = `[celeriac: ${hostname}:${processName}]`
  }
  const app = await findApp(setup.app, cwd)
  if (setup.importModules) await configFromEnvironment(app)
  adopt(app, setup.settings)
  if (setup.importModules) await importModules(app, cwd)
  const tracer = app.tracer(hostname)
  const accept = app.codec.serializers.contentTypes(app.conf.acceptContent)
  const event = { hostname, pid: process.pid }
  if (workerProcessInit.active) await workerProcessInit.send(hostname, event, app.log)
  return {
    app,
    setup,
    run: (wire, source) => {
      const request: TaskRequest = readWire(wire, app.codec, accept)
      return tracer(request, source)
    },
  }
}

/** Takes over what the parent has set otherwise since its module was loaded. */
function adopt(app: Celery, settings: Setup['settings']): void {
  const conf = app.conf as unknown as Record<string, unknown>
  for (const [name, value] of Object.entries(settings)) {
    if (!isDeepStrictEqual(conf[name], value)) conf[name] = value
  }
}

async function runJob({ setup, run }: Ready, wire: unknown): Promise<void> {
  const source = (cancellation = new Cancellation())
  const memory = (): number => (setup.wantsMemory ? memoryOf() : 0)
  let reply: FromChild
  try {
    const outcome = plain(await run(wire as WireRequest, source), setup.wantsRepr)
    reply = { celeriac: 'outcome', outcome, memory: memory() }
  } catch (error) {
    reply = { celeriac: 'error', error: toPlain(error), memory: memory() }
  }
  cancellation = undefined
  send(reply)
}

/** The repr of a success is made when it is asked for, which takes time: nobody asks where nobody logs it. */
function plain(outcome: Outcome, wantsRepr: boolean): Outcome {
  if (outcome.state !== 'SUCCESS') return outcome
  const { state, runtime } = outcome
  return { state, runtime, resultRepr: wantsRepr ? outcome.resultRepr : '' }
}

async function end(code: number): Promise<void> {
  if (ready !== undefined) {
    const { app, setup } = ready
    const event = { hostname: setup.hostname, pid: process.pid, exitcode: code }
    if (workerProcessShutdown.active) {
      await workerProcessShutdown.send(setup.hostname, event, app.log)
    }
    await app.close().catch((error: unknown) => app.log.warning(`cannot close: ${String(error)}`))
  }
  process.exit(code)
}

function receive(message: ToChild): void {
  switch (message.celeriac) {
    case 'setup':
      return void setUp(message.setup)
    case 'job':
      return void (ready !== undefined && runJob(ready, message.wire))
    case 'abort':
      return cancellation?.abort(fromPlain(message.reason))
    case 'end':
      return void end(0)
  }
}

/** The parent decides about the end: Ctrl-C, and systemd, send their signal to the whole group. */
const IGNORED = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const

function listen(): void {
  const onMessage = (message: unknown): void => {
    if (isOurs(message)) receive(message as ToChild)
  }
  process.on('uncaughtExceptionMonitor', (error) =>
    send({ celeriac: 'dying', error: toPlain(error) }),
  )
  if (parentPort !== null) {
    parentPort.on('message', onMessage)
    return
  }
  process.on('message', onMessage)
  // the parent is gone
  process.once('disconnect', () => process.exit(1))
  for (const signal of IGNORED) process.on(signal, () => {})
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreBrokenPipe)
}

/** Who read the worker's output is gone: that is no reason for a task to fail. */
function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

if (!isMainThread || process.send !== undefined) {
  markAsChild()
  listen()
}
