/** The code of docs/django.md, run as it stands there: a Django project, and its worker in TypeScript. */

import { expect } from 'chai'
import { exec, execFile } from 'node:child_process'
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { build, ROOT } from '../test/support/build.ts'
import { DJANGO_PYTHON } from '../test/support/django.ts'
import { blocksOf, type Block } from '../test/support/markdown.ts'
import { Process } from '../test/support/process.ts'
import { freePort } from '../test/support/server.ts'
import { redisUrl } from '../test/support/services.ts'
import { until } from '../test/support/until.ts'

describe('docs/django.md', function () {
  this.timeout(60_000)
  let folder: string
  let env: NodeJS.ProcessEnv
  let blocks: readonly Block[]
  let started: readonly Process[] = []

  before(async () => {
    const [text, port, broker] = await Promise.all([
      readFile(join(ROOT, 'docs', 'django.md'), 'utf8'),
      freePort(),
      redisUrl(),
    ])
    blocks = blocksOf(text.replaceAll(':8000', `:${port}`).replaceAll(' 8000', ` ${port}`))
    folder = await mkdtemp(join(tmpdir(), 'celeriac-guide-'))
    const bin = join(folder, 'node_modules', '.bin')
    const path = [bin, dirname(process.execPath), process.env.PATH].join(':')
    env = { ...process.env, PATH: path, CELERY_BROKER_URL: broker, PYTHONUNBUFFERED: '1' }
    await Promise.all([build(), install(bin)])
    await python('-m', 'django', 'startproject', 'shop', '.')
    for (const { file, code } of blocks) if (file !== undefined) await write(file, code)
    await python('manage.py', 'migrate', '--verbosity', '0')
    started = blocks
      .filter(({ language }) => language === 'sh')
      .map(({ code }) => new Process('/bin/sh', ['-c', `exec ${code}`], { cwd: folder, env }))
    await Promise.all(started.map((each) => each.says(/ ready\.|Quit the server/, 30)))
  })
  after(async () => {
    await Promise.all(started.map((each) => each.kill()))
    await rm(folder, { recursive: true })
  })

  it('has Django see what TypeScript made of what a view has sent', async () => {
    expect(started).to.have.length(2)
    const [session] = blocks.filter(({ language }) => language === 'console')
    const lines = [...(session?.code ?? '').matchAll(/^\$ (.*)\n(.*\n)/gm)]
    expect(lines).to.have.length(2)
    for (const [, command = '', output = ''] of lines) {
      const url = /^curl -s '(.*)'$/.exec(command)?.[1]
      let given = ''
      const run = async (): Promise<boolean> => {
        given = url === undefined ? await outputOf(command) : `${await textOf(url)}\n`
        return given === output
      }
      // what the worker makes of it is there in a moment
      if (!(await run())) await until(run, { seconds: 30 }).catch(() => {})
      expect(given, command).to.equal(output)
    }
  })

  /** The folder of somebody who has installed celeriac and tsx, Django and Celery. */
  async function install(bin: string): Promise<void> {
    await mkdir(bin, { recursive: true })
    await symlink(ROOT, join(folder, 'node_modules', 'celeriac'))
    await symlink(join(ROOT, 'node_modules', 'tsx'), join(folder, 'node_modules', 'tsx'))
    await symlink('../celeriac/dist/src/cli/main.js', join(bin, 'celeriac'))
    await writeFile(join(bin, 'python3'), `#!/bin/sh\nexec '${DJANGO_PYTHON}' "$@"\n`)
    await chmod(join(bin, 'python3'), 0o755)
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  }

  /** The settings are added to those that Django makes. */
  async function write(file: string, code: string): Promise<void> {
    const add = file.endsWith('settings.py') ? appendFile : writeFile
    await add(join(folder, file), code)
  }

  async function python(...args: readonly string[]): Promise<void> {
    await promisify(execFile)(DJANGO_PYTHON, args, { cwd: folder, env, timeout: 60_000 })
  }

  async function textOf(url: string): Promise<string> {
    return await (await fetch(url)).text()
  }

  function outputOf(command: string): Promise<string> {
    return new Promise((resolve) => {
      exec(command, { cwd: folder, env, timeout: 30_000 }, (_, stdout, stderr) =>
        resolve(stdout + stderr),
      )
    })
  }
})
