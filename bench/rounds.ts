/** One round of each measurement: tasks drained, calls published, round trips made, by each in turn. */

import { bareClient, ResultWatch, type BareClient } from './bare-client.ts'
import { drain, rateOf, timesOf, type Drain } from './measure.ts'
import { TASK, type Kind, type Stage } from './stage.ts'

const MANY = 100

/** Stores the tasks, starts a worker, and watches the results come. */
export async function drainOnce(stage: Stage, kind: Kind, tasks: number): Promise<Drain> {
  await stage.clear()
  const app = stage.app()
  await rateOf(tasks, MANY, () => app.sendTask(TASK, [1]))
  await app.close()
  const worker = stage.worker(kind)
  try {
    return await drain(stage.results, tasks, worker.pid)
  } finally {
    await worker.kill()
  }
}

/** Calls a second. */
export interface Publishes {
  readonly celeriacOne: number
  readonly bareOne: number
  readonly pythonOne: number
  readonly celeriacMany: number
  readonly bareMany: number
}

export async function publishOnce(stage: Stage, calls: number): Promise<Publishes> {
  await stage.clear()
  const app = stage.app()
  const call = (): Promise<unknown> => app.sendTask(TASK, [1])
  await call()
  const bare = await bareClient(stage)
  await Promise.all([warmUp(call), warmUp(bare.publish)])
  const rates = {
    celeriacOne: await rateOf(calls, 1, call),
    bareOne: await rateOf(calls, 1, bare.publish),
    celeriacMany: await rateOf(calls * 4, MANY, call),
    bareMany: await rateOf(calls * 4, MANY, bare.publish),
    pythonOne: (await stage.python('publish', calls)) as number,
  }
  await Promise.all([app.close(), bare.close()])
  return rates
}

async function warmUp(call: () => Promise<unknown>): Promise<void> {
  await rateOf(500, 10, call)
}

/** Milliseconds of each. */
export interface Trips {
  readonly celeriac: readonly number[]
  readonly bare: readonly number[]
  readonly python: readonly number[]
}

/** A call and its result, one after another, on a worker that has nothing else to do. */
export async function tripsOnce(stage: Stage, trips: number): Promise<Trips> {
  return {
    celeriac: await celeriacTrips(stage, trips),
    bare: await bareTrips(stage, trips),
    python: await withWorker(stage, 'python', async () => {
      return (await stage.python('trips', trips)) as readonly number[]
    }),
  }
}

function celeriacTrips(stage: Stage, trips: number): Promise<readonly number[]> {
  return withWorker(stage, 'celeriac', async () => {
    const app = stage.app()
    const trip = async (): Promise<unknown> => (await app.sendTask(TASK, [1])).get({ timeout: 30 })
    const times = await timesOf(trips, trip)
    await app.close()
    return times
  })
}

async function bareTrips(stage: Stage, trips: number): Promise<readonly number[]> {
  await stage.clear()
  const bare = await prepared(stage)
  const watch = new ResultWatch(stage.results)
  await watch.start()
  const worker = stage.worker('bare')
  try {
    return await timesOf(trips, async () => {
      const heard = watch.next()
      await bare.publish()
      await heard
    })
  } finally {
    watch.close()
    await bare.close()
    await worker.kill()
  }
}

/** A bare client with a message of ours in hand. */
async function prepared(stage: Stage): Promise<BareClient> {
  const app = stage.app()
  await app.sendTask(TASK, [1])
  await app.close()
  return bareClient(stage)
}

async function withWorker<T>(stage: Stage, kind: Kind, work: () => Promise<T>): Promise<T> {
  await stage.clear()
  const worker = stage.worker(kind)
  try {
    return await work()
  } finally {
    await worker.kill()
  }
}
