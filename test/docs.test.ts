/** The code in the pages compiles, and their links lead somewhere. */

import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { build, ROOT } from './support/build.ts'
import { blocksOf } from './support/markdown.ts'

/** Every page that people read, by its path from the root. */
async function pages(): Promise<readonly string[]> {
  const docs = await readdir(join(ROOT, 'docs'), { recursive: true })
  const inDocs = docs.filter((name) => name.endsWith('.md')).map((name) => join('docs', name))
  return ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...inDocs]
}

/** What a project of TypeScript that uses celeriac is compiled with. */
const OPTIONS = {
  target: 'es2023',
  module: 'nodenext',
  types: ['node'],
  strict: true,
  noEmit: true,
  exactOptionalPropertyTypes: true,
  allowImportingTsExtensions: true,
}

/** Writes each block of TypeScript as a module: those of a page may import each other by their names. */
async function writeBlocks(folder: string): Promise<number> {
  let count = 0
  for (const page of await pages()) {
    const own = join(folder, basename(page, '.md'))
    await mkdir(own, { recursive: true })
    const blocks = blocksOf(await readFile(join(ROOT, page), 'utf8'))
    for (const { language, file = `block-${count}.ts`, code } of blocks) {
      if (language !== 'ts') continue
      count += 1
      await writeFile(join(own, file), `${code}\nexport {}\n`)
    }
  }
  return count
}

function compile(folder: string): Promise<string> {
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc')
  return new Promise((resolve) => {
    execFile(tsc, ['-p', folder], { cwd: folder }, (_, stdout, stderr) => resolve(stdout + stderr))
  })
}

describe('the documentation', function () {
  this.timeout(60_000)
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'celeriac-docs-'))
    await mkdir(join(folder, 'node_modules'))
    await symlink(ROOT, join(folder, 'node_modules', 'celeriac'))
    await symlink(join(ROOT, 'node_modules', '@types'), join(folder, 'node_modules', '@types'))
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }))
    await build()
  })
  after(() => rm(folder, { recursive: true }))

  it('shows code that compiles against the package, with its declarations checked too', async () => {
    expect(await writeBlocks(folder)).to.be.greaterThan(2)
    expect(await compile(folder)).to.equal('')
  })

  it('links to what is there', async () => {
    for (const page of await pages()) {
      const text = await readFile(join(ROOT, page), 'utf8')
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)) {
        expect(existsSync(join(ROOT, dirname(page), target)), `${page}: ${target}`).to.equal(true)
      }
    }
  })
})
