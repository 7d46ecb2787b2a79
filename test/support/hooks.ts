/** What mocha runs once around all tests: the servers that they started are stopped at the end. */

import { stopServices } from './services.ts'

export async function mochaGlobalTeardown(): Promise<void> {
  await stopServices()
}
