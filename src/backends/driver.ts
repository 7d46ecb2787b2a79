/** The drivers of databases, which are optional: whoever keeps results there installs one. */

import { ImproperlyConfigured } from '../errors.ts'

/**
 * Loads the first of some packages that is there.
 *
 * @param also what it needs besides: who installs the one installs the other
 * @throws ImproperlyConfigured when none is, with what to install
 */
export async function importDriver(
  backend: string,
  packages: readonly [string, ...string[]],
  also?: string,
): Promise<{ readonly name: string; readonly module: unknown }> {
  for (const name of packages) {
    try {
      return { name, module: await import(name) }
    } catch (error) {
      if (!isMissing(error, name)) throw error
    }
  }
  const [first, ...others] = packages
  const installable = others.filter((name) => !name.startsWith('node:'))
  const or = installable.map((name) => ` (or ${name})`).join('')
  const install = also === undefined ? first : `${first} ${also}`
  throw new ImproperlyConfigured(
    `the result backend ${backend} needs the package '${first}': npm install ${install}${or}`,
  )
}

/** Whether the package itself is missing, not something that it needs. */
function isMissing(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  const { code, message } = error
  if (code === 'ERR_UNKNOWN_BUILTIN_MODULE') return message.endsWith(` ${name}`)
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`)
}
