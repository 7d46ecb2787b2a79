/** The code of the README, run as it stands there, with a worker in each language. */

import { expect } from 'chai'
import { exec } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { build, ROOT } from '../test/support/build.ts'
import { blocksOf, type Block } from '../test/support/markdown.ts'
import { Process } from '../test/support/process.ts'
import { startRedis, type RedisServer } from '../test/support/services.ts'

const PYTHON = process.env['CELERIAC_TEST_PYTHON'] ?? '/usr/bin/python3'

/** The folder of somebody who has installed celeriac, tsx and Python's Celery, and copied the page's files. */
async function install(folder: string, files: readonly Block[]): Promise<void> {
  const bin = join(folder, 'node_modules', '.bin')
  await mkdir(bin, { recursive: true })
  await symlink(ROOT, join(folder, 'node_modules', 'celeriac'))
  await symlink(join(ROOT, 'node_modules', 'tsx'), join(folder, 'node_modules', 'tsx'))
  await symlink('../celeriac/dist/src/cli/main.js', join(bin, 'celeriac'))
  await script(join(bin, 'python3'), `exec '${PYTHON}' "$@"`)
  await script(join(bin, 'celery'), `exec '${PYTHON}' -m celery "$@"`)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  for (const { file = '', code } of files) await writeFile(join(folder, file), code)
}

async function script(path: string, line: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${line}\n`)
  await chmod(path, 0o755)
}

interface Session {
  readonly command: string
  readonly output: string
}

/** `$ command`, and what it prints. */
function sessionOf({ code }: Block): Session {
  const [, command = '', output = ''] = /^\$ ([^\n]*)\n(.*)$/s.exec(code) ?? []
  return { command, output }
}

describe('README.md', function () {
  this.timeout(60_000)
  let redis: RedisServer
  let folder: string
  let env: NodeJS.ProcessEnv
  let blocks: readonly Block[]
  let workers: readonly Process[] = []

  before(async () => {
    blocks = blocksOf(await readFile(join(ROOT, 'README.md'), 'utf8'))
    folder = await mkdtemp(join(tmpdir(), 'celeriac-readme-'))
    const files = blocks.filter(({ file }) => file !== undefined)
    ;[redis] = await Promise.all([startRedis(), build(), install(folder, files)])
    const path = [join(folder, 'node_modules', '.bin'), dirname(process.execPath), process.env.PATH]
    env = { ...process.env, PATH: path.join(':') }
    env['CELERY_BROKER_URL'] = env['CELERY_RESULT_BACKEND'] = redis.url
    workers = blocks
      .filter(({ language }) => language === 'sh')
      .map(({ code }) => new Process('/bin/sh', ['-c', `exec ${code}`], { cwd: folder, env }))
    await Promise.all(workers.map((worker) => worker.says(' ready.')))
  })
  after(async () => {
    await Promise.all(workers.map((worker) => worker.kill()))
    await redis?.stop()
    await rm(folder, { recursive: true })
  })

  it('has a worker of each language, and sessions with them', () => {
    expect(workers).to.have.length(2)
    const commands = blocks
      .filter(({ language }) => language === 'console')
      .map((block) => sessionOf(block).command)
    expect(commands).to.deep.equal([
      'node --import tsx client.ts',
      'python3 orders.py',
      'node --import tsx report.ts',
      'node --import tsx workflow.ts',
    ])
  })

  it('prints what it promises, its code run as it stands', async () => {
    for (const block of blocks.filter(({ language }) => language === 'console')) {
      const { command, output } = sessionOf(block)
      expect(await outputOf(command), command).to.equal(output)
    }
  })

  function outputOf(command: string): Promise<string> {
    return new Promise((resolve) => {
      exec(command, { cwd: folder, env, timeout: 30_000 }, (_, stdout, stderr) =>
        resolve(stdout + stderr),
      )
    })
  }
})
