/** The examples of docs/workflows.md, run as they stand there. */

import { expect } from 'chai'
import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, ROOT } from './support/build.ts'
import { blocksOf } from './support/markdown.ts'
import { Process } from './support/process.ts'

/** What stands behind the arrows, in order. */
const PRINTED = /\/\/ → (.*)$/gm

describe('docs/workflows.md', function () {
  this.timeout(60_000)
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'celeriac-workflows-'))
    await mkdir(join(folder, 'node_modules'))
    for (const [name, target] of [['celeriac', ''] as const, ['tsx', 'node_modules/tsx'] as const])
      await symlink(join(ROOT, target), join(folder, 'node_modules', name))
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    await build()
  })
  after(() => rm(folder, { recursive: true }))

  it('prints what it promises', async () => {
    const page = await readFile(join(ROOT, 'docs', 'workflows.md'), 'utf8')
    const blocks = blocksOf(page).filter(({ language }) => language === 'ts')
    for (const { file = '', code } of blocks) await writeFile(join(folder, file), code)
    const [tasks, ...examples] = blocks.map(({ file = '' }) => file)
    await writeFile(
      join(folder, 'main.ts'),
      [
        `import { startTestWorker } from 'celeriac/testing'`,
        `import { app } from './${tasks}'`,
        `const worker = await startTestWorker(app)`,
        ...examples.map((file) => `await import('./${file}')`),
        `await worker.stop()`,
        `await app.close()`,
      ].join('\n'),
    )
    const program = new Process(process.execPath, ['--import', 'tsx', 'main.ts'], { cwd: folder })
    expect(await program.exited, program.output).to.equal(0)
    expect(program.output.trim().split('\n')).to.deep.equal(
      Array.from(page.matchAll(PRINTED), ([, text]) => text),
    )
  })
})
