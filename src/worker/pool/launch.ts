/** How a child is started so that it can read the app's module: Node's options of the parent, and tsx. */

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { locateApp } from '../../app/load.ts'
import { ImproperlyConfigured } from '../../errors.ts'

/** The child's main: its path, not its module, for it imports what belongs to this room. */
export const CHILD: URL = new URL(
  import.meta.url.endsWith('.ts') ? './child.ts' : './child.js',
  import.meta.url,
)

export interface Launch {
  /** Node's options of the parent, but for its code, its inspector and tsx. */
  readonly execArgv: readonly string[]
  /** The folder of tsx, when it is needed. */
  readonly tsx: Tsx | undefined
}

/** Where the parts of tsx are. */
export interface Tsx {
  /** For `--import`. */
  readonly loader: string
  /** For a thread, where `--import` has no effect in Node 20: both have a function `register`. */
  readonly registers: readonly string[]
}

/** @throws ImproperlyConfigured when there is no such module, or only in TypeScript and nothing to read it */
export function planLaunch(
  app: string,
  cwd: string,
  given: readonly string[] = process.execArgv,
): Launch {
  const file = locateApp(app, cwd)
  const { execArgv, underTsx } = inherit(given)
  const nodeOptions = process.env['NODE_OPTIONS'] ?? ''
  const wanted = underTsx || isTsx(nodeOptions) || isTypeScript(file) || isTypeScript(CHILD.href)
  return { execArgv, tsx: wanted ? findTsx(file) : undefined }
}

function isTypeScript(url: string): boolean {
  return /\.[mc]?tsx?$/.test(new URL(url).pathname)
}

/** tsx from the folder of the app, or ours; Node's own way to read TypeScript when there is none. */
function findTsx(file: string): Tsx | undefined {
  for (const base of [dirname(fileURLToPath(file)), dirname(fileURLToPath(CHILD))]) {
    const require = createRequire(join(base, 'noop.js'))
    try {
      return {
        loader: pathToFileURL(require.resolve('tsx')).href,
        registers: ['tsx/cjs/api', 'tsx/esm/api'].map((name) => esModule(require.resolve(name))),
      }
    } catch {
      // not there: the next
    }
  }
  if ('typescript' in process.features && process.features.typescript) return undefined
  throw new ImproperlyConfigured(
    `the app ${file} is TypeScript, which the processes of a pool cannot read: ` +
      'install tsx beside it, or name the compiled .js file',
  )
}

/** Its CommonJS twin does not find its own parts. */
function esModule(file: string): string {
  return pathToFileURL(file.replace(/\.cjs$/, '.mjs')).href
}

/** Options of the parent that are its own business; the next word goes with those that have a value. */
const OWN =
  /^(-[epi]|-pe|-c|--(eval|print|check|interactive|input-type|test|watch|inspect|debug-port)\b.*)$/
const OWN_WITH_VALUE =
  /^(-[ep]|-pe|--(eval|print|input-type|inspect-port|debug-port|inspect-publish-uid))$/
/** Options that load a module before all others. */
const LOADERS = /^(-r|--(require|import|loader|experimental-loader))(=|$)/

function inherit(given: readonly string[]): {
  readonly execArgv: readonly string[]
  readonly underTsx: boolean
} {
  const execArgv: string[] = []
  let underTsx = false
  for (let i = 0; i < given.length; i += 1) {
    const word = given[i] ?? ''
    const loads = LOADERS.test(word)
    const hasValue = OWN_WITH_VALUE.test(word) || (loads && !word.includes('='))
    const words = given.slice(i, i + (hasValue ? 2 : 1))
    i += words.length - 1
    if (loads && isTsx(words.join(' '))) underTsx = true
    else if (!OWN.test(word)) execArgv.push(...words)
  }
  return { execArgv, underTsx }
}

/** `tsx`, `tsx/esm`, or a path into its package. */
function isTsx(words: string): boolean {
  return /(^|[\s=])tsx(\/[a-z]+)*($|\s)|[/\\]tsx[/\\]dist[/\\]/.test(words)
}
