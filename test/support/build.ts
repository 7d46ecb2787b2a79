/** The package as users get it: compiled once, for the tests that go through its doors. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))

let built: Promise<unknown> | undefined

/** Compiles `dist/` from the sources as they are now; types are for `npm run check`. */
export async function build(): Promise<void> {
  const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))
  built ??= promisify(execFile)(tsc, ['-p', 'tsconfig.json', '--noCheck'], { cwd: ROOT })
  await built
}
