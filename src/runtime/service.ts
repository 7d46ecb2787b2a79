/** The contract of everything that runs: `start` returns when it is ready, `stop` when it is over. */

export interface Service {
  /** Resolves when it does its work; rejects, with nothing left running, when it cannot. */
  start(): Promise<void>
  /** Resolves when it is over; twice, or before `start`, is fine. */
  stop(): Promise<void>
}

/** Starts services in order; when one fails, stops those that run, last first. */
export async function startAll(services: readonly Service[]): Promise<void> {
  const running: Service[] = []
  for (const service of services) {
    try {
      await service.start()
    } catch (error) {
      await stopAll(running)
      throw error
    }
    running.push(service)
  }
}

/** Stops services, last first; the first error is thrown after all were asked to stop. */
async function stopAll(services: readonly Service[]): Promise<void> {
  const errors: unknown[] = []
  for (const service of services.toReversed()) {
    await service.stop().catch((error: unknown) => errors.push(error))
  }
  if (errors.length > 0) throw errors[0]
}
