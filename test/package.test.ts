/** The doors of the package, imported and required. */

import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { build, ROOT } from './support/build.ts'

const run = promisify(execFile)

/** What a program prints that Node runs as CommonJS or as a module. */
async function prints(program: string, type: 'commonjs' | 'module'): Promise<string> {
  const args = [`--input-type=${type}`, '--eval', program]
  const { stdout } = await run(process.execPath, args, { cwd: ROOT, timeout: 20_000 })
  return stdout
}

describe('the package', () => {
  before(build)

  for (const [door, name] of [
    ['celeriac', 'Celery'],
    ['celeriac/protocol', 'decodeTask'],
    ['celeriac/testing', 'createTestApp'],
  ]) {
    it(`can be required and imported as ${door}`, async () => {
      const required = `console.log(typeof require('${door}').${name})`
      expect(await prints(required, 'commonjs')).to.equal('function\n')
      const imported = `import { ${name} } from '${door}'\nconsole.log(typeof ${name})`
      expect(await prints(imported, 'module')).to.equal('function\n')
    })
  }

  it('opens nothing when it is imported', async () => {
    const program = `
      require('celeriac')
      // ioredis looks at stderr, which is a pipe here
      console.log(process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap'))`
    expect(await prints(program, 'commonjs')).to.equal('[]\n')
  })

  it('lets a required app send, run and end', async () => {
    const program = `
      const { Celery } = require('celeriac')
      const app = new Celery('cjs', {}, { env: {} })
      const add = app.task('add', (x, y) => x + y)
      async function main() {
        const worker = app.worker()
        await worker.start()
        console.log(await (await add.delay(2, 3)).get({ timeout: 5 }))
        await worker.stop()
        await app.close()
      }
      main()`
    expect(await prints(program, 'commonjs')).to.equal('5\n')
  })
})
