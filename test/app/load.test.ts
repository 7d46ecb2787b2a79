/** How the app that `-A` names is found. */

import { expect } from 'chai'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { configFromEnvironment, findApp, importModules } from '../../src/app/load.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { createTestApp } from '../../src/testing.ts'

const CELERY = new URL('../../src/celery.ts', import.meta.url).href

/** A module that exports apps named as asked. */
function moduleOf(exports: string): string {
  return `import { Celery } from '${CELERY}'\n${exports}\n`
}

const app = (name: string): string => `new Celery('${name}', {}, { env: {} })`

describe('finding the app', () => {
  let directory: string

  async function write(path: string, content: string): Promise<void> {
    const file = join(directory, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content)
  }

  before(async () => {
    directory = await realpath(await mkdtemp(join(tmpdir(), 'celeriac-load-')))
    await write('package.json', '{ "type": "module" }')
    await write(
      'tasks.ts',
      moduleOf(`export const app = ${app('first')}\nexport const shop = ${app('shop')}`),
    )
    await write('named.js', moduleOf(`export const celery = ${app('celery')}`))
    await write('main.mjs', moduleOf(`export default ${app('main')}`))
    await write('any.js', moduleOf(`export const version = 1\nexport const mine = ${app('any')}`))
    await write('proj/celery.ts', moduleOf(`export const app = ${app('proj')}`))
    await write('proj/deep/tasks.js', moduleOf(`export const app = ${app('deep')}`))
    await write('none.js', 'export const app = 5\n')
    await write('broken.js', "throw new Error('no database')\n")
    await write(
      'node_modules/pkg/package.json',
      '{ "name": "pkg", "type": "module", "main": "x.js" }',
    )
    await write('node_modules/pkg/x.js', moduleOf(`export const app = ${app('pkg')}`))
    await write('celeryconfig.js', "export const task_serializer = 'yaml'\n")
    await write('other.js', "export default { taskSerializer: 'msgpack' }\n")
    await write('bad.js', "export const task_serialiser = 'yaml'\n")
    await write('define.js', 'globalThis.defined = (globalThis.defined ?? 0) + 1\n')
  })
  after(async () => {
    Reflect.deleteProperty(globalThis, 'defined')
    await rm(directory, { recursive: true })
  })

  const names: readonly (readonly [string, string])[] = [
    ['./tasks.ts', 'first'],
    ['./tasks', 'first'],
    ['tasks', 'first'],
    ['./tasks.ts:shop', 'shop'],
    ['tasks:shop', 'shop'],
    ['named', 'celery'],
    ['main', 'main'],
    ['any', 'any'],
    ['proj', 'proj'],
    ['proj.deep.tasks', 'deep'],
    ['proj/deep/tasks:app', 'deep'],
    ['pkg', 'pkg'],
  ]
  for (const [name, main] of names) {
    it(`finds it as ${name}`, async () => {
      expect((await findApp(name, directory)).main).to.equal(main)
    })
  }

  it('finds it by an absolute path and by a URL', async () => {
    expect((await findApp(join(directory, 'tasks.ts'))).main).to.equal('first')
    expect((await findApp(`file://${directory}/tasks.ts:shop`)).main).to.equal('shop')
  })

  const wrong: readonly (readonly [string, string])[] = [
    ['./missing.js', 'The module ./missing.js was not found.'],
    ['nopackage', 'The module nopackage was not found.'],
    ['none', "Module 'none' has no export that is an app; export one as 'app'."],
    ['tasks:nope', "Module 'tasks' has no app 'nope'."],
    ['tasks:__proto__.constructor', "Module 'tasks' has no app"],
    [
      'broken',
      'While trying to load the module broken the following error occurred:\nError: no database',
    ],
  ]
  for (const [name, message] of wrong) {
    it(`says what is wrong with ${name}`, async () => {
      const error = await findApp(name, directory).catch((reason: unknown) => reason)
      expect(error).to.be.instanceOf(ImproperlyConfigured)
      expect((error as Error).message).to.include('Unable to load celery application.\n')
      expect((error as Error).message).to.include(message)
    })
  }

  it('takes the settings of a module', async () => {
    const named = createTestApp()
    await configFromEnvironment(named, 'celeryconfig', directory)
    expect(named.conf.taskSerializer).to.equal('yaml')
    const main = createTestApp()
    await configFromEnvironment(main, './other.js', directory)
    expect(main.conf.taskSerializer).to.equal('msgpack')
    const error = await configFromEnvironment(createTestApp(), 'bad', directory).catch(
      (reason: unknown) => reason,
    )
    expect((error as Error).message).to.include("did you mean 'task_serializer'?")
  })

  it('takes no settings of a module when there is none, or others from an object', async () => {
    const plain = createTestApp()
    await configFromEnvironment(plain, undefined, directory)
    expect(plain.conf.taskSerializer).to.equal('json')
    const configured = createTestApp().configFromObject({ timezone: 'UTC' })
    await configFromEnvironment(configured, 'celeryconfig', directory)
    expect(configured.conf.taskSerializer).to.equal('json')
  })

  it('imports the modules of the settings, each once', async () => {
    const one = createTestApp({ imports: ['./define.js'], include: ['./define.js'] })
    await importModules(one, directory)
    expect(Reflect.get(globalThis, 'defined')).to.equal(1)
    const error = await importModules(createTestApp({ imports: ['gone'] }), directory).catch(
      (reason: unknown) => reason,
    )
    expect(error).to.be.instanceOf(ImproperlyConfigured)
  })
})
