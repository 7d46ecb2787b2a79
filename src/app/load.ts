/** Finds the app that `-A` names: a module, and what it exports. */

import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ImproperlyConfigured } from '../errors.ts'
import { isCelery, type Celery } from './celery.ts'

const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'] as const
/** What of a directory is tried. */
const INDEXES = ['index', 'celery', 'app'] as const
/** The exports that are asked first. */
const EXPORTS = ['app', 'celery', 'default'] as const

/** Celery's words. @see celery 5.6, bin/celery.py */
const UNABLE = 'Unable to load celery application.\n'

/**
 * The app of `./tasks.js`, `./tasks.js:shop`, `tasks`, `proj.tasks`, or a package's name.
 *
 * @throws ImproperlyConfigured when there is no such module, it cannot be loaded, or it has no app
 * @see celery 5.6, app/utils.py, `find_app`
 */
export async function findApp(name: string, cwd: string = process.cwd()): Promise<Celery> {
  const { module, attribute } = split(name)
  const exports = await load(module, cwd)
  const found = attribute === undefined ? search(exports) : pick(exports, attribute)
  if (isCelery(found)) return found
  const what =
    attribute === undefined
      ? `Module '${module}' has no export that is an app; export one as 'app'`
      : `Module '${module}' has no app '${attribute}'`
  throw new ImproperlyConfigured(`${UNABLE}${what}.`)
}

/** The modules that `imports` and `include` name; they define tasks. @throws ImproperlyConfigured */
export async function importModules(app: Celery, cwd: string = process.cwd()): Promise<void> {
  for (const module of new Set([...app.conf.imports, ...app.conf.include])) await load(module, cwd)
}

/**
 * The settings of the module that `CELERY_CONFIG_MODULE` names: its exports, or its default export. An
 * app that has settings from `configFromObject()` does not ask for it.
 *
 * @throws ImproperlyConfigured
 * @see celery 5.6, loaders/base.py, `BaseLoader.read_configuration`
 */
export async function configFromEnvironment(
  app: Celery,
  module: string | undefined = process.env['CELERY_CONFIG_MODULE'],
  cwd: string = process.cwd(),
): Promise<void> {
  if (!module || app.hasConfigSource) return
  const exports = await load(module, cwd)
  const main = exports['default']
  app.configFromObject(typeof main === 'object' && main !== null ? main : { ...exports })
}

/** The name of an export may follow a colon; the colon of a drive or a URL is none. */
function split(name: string): { readonly module: string; readonly attribute: string | undefined } {
  const [, module = name, attribute] = /^(.+):([A-Za-z_$][\w$.]*)$/s.exec(name) ?? []
  return { module, attribute }
}

type Exports = Readonly<Record<string, unknown>>

async function load(module: string, cwd: string): Promise<Exports> {
  const url = locate(module, cwd)
  if (url === undefined) throw notFound(module)
  try {
    return (await import(url)) as Exports
  } catch (error) {
    throw new ImproperlyConfigured(
      `${UNABLE}While trying to load the module ${module} the following error occurred:\n${textOf(error)}`,
      { cause: error },
    )
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? error.code : undefined
  const advice =
    code === 'ERR_UNKNOWN_FILE_EXTENSION'
      ? '\nThis Node does not read TypeScript: start it with NODE_OPTIONS="--import tsx", or name the compiled .js file.'
      : ''
  return `${error.stack ?? error.message}${advice}`
}

/** The URL of the file of an app, which may end in `.ts`. @throws ImproperlyConfigured when there is none */
export function locateApp(name: string, cwd: string): string {
  const { module } = split(name)
  const url = locate(module, cwd)
  if (url === undefined) throw notFound(module)
  return url
}

function notFound(module: string): ImproperlyConfigured {
  return new ImproperlyConfigured(`${UNABLE}The module ${module} was not found.`)
}

/** The URL of a module: a file, a directory, Python's dotted form of either, or an installed package. */
function locate(module: string, cwd: string): string | undefined {
  if (module.startsWith('file:')) return existsSync(fileURLToPath(module)) ? module : undefined
  const isPath = module.startsWith('.') || isAbsolute(module)
  const dotted = isPath ? undefined : fileOf(resolve(cwd, module.replaceAll('.', '/')))
  const file = fileOf(resolve(cwd, module)) ?? dotted
  if (file !== undefined) return pathToFileURL(file).href
  return isPath ? undefined : packageOf(module, cwd)
}

function fileOf(path: string): string | undefined {
  if (isFile(path)) return path
  const names = INDEXES.map((index) => join(path, index))
  const tried = [path, ...names].flatMap((base) => EXTENSIONS.map((extension) => base + extension))
  return tried.find(isFile)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

/** @see https://nodejs.org/api/packages.html: what stands beside the current directory is found as from there */
function packageOf(name: string, cwd: string): string | undefined {
  try {
    return pathToFileURL(createRequire(join(cwd, 'noop.js')).resolve(name)).href
  } catch {
    return undefined
  }
}

function search(exports: Exports): unknown {
  for (const name of EXPORTS) {
    if (isCelery(exports[name])) return exports[name]
  }
  const main = exports['default']
  const inner = typeof main === 'object' && main !== null ? Object.values(main) : []
  return [...Object.values(exports), ...inner].find(isCelery)
}

function pick(exports: Exports, path: string): unknown {
  const main = exports['default']
  return memberOf(exports, path) ?? memberOf(main, path)
}

function memberOf(value: unknown, path: string): unknown {
  let member = value
  for (const name of path.split('.')) {
    if (typeof member !== 'object' || member === null) return undefined
    member = (member as Exports)[name]
  }
  return member
}
