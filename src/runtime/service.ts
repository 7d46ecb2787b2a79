/** The contract of everything that runs: `start` returns when it is ready, `stop` when it is over. */

export interface Service {
  /** Resolves when it does its work; rejects, with nothing left running, when it cannot. */
  start(): Promise<void>
  /** Resolves when it is over; twice, or before `start`, is fine. */
  stop(): Promise<void>
}

/**
 * Starts services in order; when one fails, stops those that run, last first. Ends early when they are
 * wanted no more: who was told to stop before it started would never be told again.
 */
export async function startAll(
  services: readonly Service[],
  wanted: () => boolean = () => true,
): Promise<void> {
  const running: Service[] = []
  for (const service of services) {
    if (!wanted()) return
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
