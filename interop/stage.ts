/** A stage: a broker and a backend, a Python and a Node worker on them, and a client of either kind. */

import { celeries, PAIRINGS, type Pairing, type PythonCelery } from './matrix.ts'
import { PythonClient, startNodeWorker, startPythonWorker, type Surroundings } from './harness.ts'
import { createApp } from './node/tasks.ts'
import type { Celery } from '../src/index.ts'
import type { Process } from '../test/support/process.ts'

export interface Stage {
  readonly celery: PythonCelery
  readonly pairing: Pairing
  readonly surroundings: Surroundings
  readonly pythonWorker: Process
  readonly nodeWorker: Process
  /** The TypeScript client. */
  readonly app: Celery
  /** The Python client. */
  readonly python: PythonClient
}

const stages = new Map<string, Promise<Stage>>()

/** The stage of a pairing, started once and kept until all cases are over. */
function stageOf(celery: PythonCelery, pairing: Pairing): Promise<Stage> {
  const key = `${celery.version} ${pairing.name}`
  const stage = stages.get(key) ?? startStage(celery, pairing)
  stages.set(key, stage)
  return stage
}

async function startStage(celery: PythonCelery, pairing: Pairing): Promise<Stage> {
  const surroundings = await pairing.open()
  const [pythonWorker, nodeWorker] = await Promise.all([
    startPythonWorker(celery, surroundings),
    startNodeWorker(surroundings),
  ])
  const app = createApp(surroundings.broker, surroundings.backend)
  const python = new PythonClient(celery, surroundings)
  return { celery, pairing, surroundings, pythonWorker, nodeWorker, app, python }
}

/** Runs cases on every pairing of broker and backend, or on some, with every Celery that is there, or some. */
export function onEveryStage(
  title: string,
  cases: (stage: () => Stage) => void,
  pairings: readonly Pairing[] = PAIRINGS,
  releases: readonly PythonCelery[] = celeries(),
): void {
  for (const celery of releases) {
    for (const pairing of pairings) {
      describe(`${title}, with Celery ${celery.version} on ${pairing.name}`, function () {
        let stage: Stage
        before(async function () {
          this.timeout(120_000)
          stage = await stageOf(celery, pairing)
        })
        cases(() => stage)
      })
    }
  }
}

/** Ends the clients; the workers end with all processes that tests have started. */
export async function closeStages(): Promise<void> {
  for (const started of stages.values()) {
    const stage = await started.catch(() => undefined)
    await stage?.app.close()
    await stage?.python.stop()
  }
  stages.clear()
}
