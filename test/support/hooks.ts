/** What mocha runs once around all tests: the servers that they started are stopped at the end. */

import { stopServices } from './services.ts'

/** What is left of the tests gets this long to end by itself. */
const LINGER_MS = 15_000

export function mochaGlobalSetup(): void {
  // an exit runs the handlers that end the processes of the tests; a plain death by signal does not
  process.once('SIGTERM', () => process.exit(143))
}

export async function mochaGlobalTeardown(): Promise<void> {
  await stopServices()
  // the timer itself keeps nothing alive: it runs only where something else does
  setTimeout(() => {
    const left = process.getActiveResourcesInfo().join(', ')
    console.error(`something of the tests keeps the process alive: ${left}`)
    // mocha sets the exit code by the failures as the process exits; this comes after
    process.once('exit', () => (process.exitCode = 1))
    process.exit()
  }, LINGER_MS).unref()
}
