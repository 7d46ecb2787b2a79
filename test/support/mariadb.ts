/** A private MariaDB server, as a process or in a container. */

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import mysql from 'mysql2/promise'
import { imageOf, startContainer } from './container.ts'
import { Process } from './process.ts'
import { freePort, sourceOf, tracked, type Program, type Server } from './server.ts'

export const MARIADB: Program = {
  name: 'MariaDB',
  path: '/usr/sbin/mariadbd',
  debian: 'mariadb-server',
  env: 'CELERIAC_TEST_MYSQL_URL',
  image: imageOf('CELERIAC_TEST_MYSQL_IMAGE', 'mariadb:11'),
}

const READY = /ready for connections/
/** It has to be percent-encoded in a URL. */
const PASSWORD = 'p@ss/w:rd'
const ENCODED = encodeURIComponent(PASSWORD)
/** Nothing of it has to survive the machine. */
const FAST = [
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-flush-method=nosync',
  '--innodb-doublewrite=0',
  '--innodb-buffer-pool-size=32M',
  '--innodb-log-file-size=8M',
  '--performance-schema=0',
  '--skip-log-bin',
  '--max-connections=200',
]

/** Its URL is that of the database `mysql`. */
export async function startMariadb(): Promise<Server> {
  const source = await sourceOf(MARIADB)
  const port = await freePort()
  return tracked(await (source === 'process' ? startProcess(port) : startInside(port)))
}

/** The URL of a new database next to the one of a URL. */
export async function createMysqlDatabase(url: string, name: string): Promise<string> {
  const connection = await mysql.createConnection(url)
  try {
    await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`)
  } finally {
    await connection.end()
  }
  return new URL(`/${name}`, url).href
}

async function startProcess(port: number): Promise<Server> {
  const dir = await mkdtemp(join(tmpdir(), 'celeriac-mariadb-'))
  const data = join(dir, 'data')
  const user = `--user=${userInfo().username}`
  const own = ['--no-defaults', `--datadir=${data}`, user]
  const install = [...own, '--auth-root-authentication-method=normal', '--skip-test-db', ...FAST]
  await promisify(execFile)('/usr/bin/mariadb-install-db', install, { cwd: dir })
  const files = [`--socket=${join(dir, 'socket')}`, `--pid-file=${join(dir, 'pid')}`]
  const address = ['--bind-address=127.0.0.1', `--port=${port}`]
  const init = [
    `CREATE OR REPLACE USER celeriac@'%' IDENTIFIED BY '${PASSWORD}';`,
    "GRANT ALL ON *.* TO celeriac@'%';",
  ]
  const initFile = join(dir, 'init.sql')
  await writeFile(initFile, init.join('\n'))
  const args = [...own, ...files, ...address, ...FAST, `--init-file=${initFile}`]
  const start = async (): Promise<Process> => {
    const server = new Process(MARIADB.path, args, { cwd: dir })
    await server.says(READY, 60)
    return server
  }
  let server = await start()
  return {
    url: `mysql://celeriac:${ENCODED}@127.0.0.1:${port}/mysql`,
    port,
    stop: async () => {
      await server.stop()
      await rm(dir, { recursive: true, force: true })
    },
    kill: () => server.kill(),
    restart: async () => {
      await server.kill()
      server = await start()
    },
  }
}

async function startInside(port: number): Promise<Server> {
  const server = await startContainer({
    image: MARIADB.image,
    ports: [{ container: 3306, host: port }],
    // it says so once before its first restart
    ready: new RegExp(`${READY.source}[^]*${READY.source}`),
    configure: (container) =>
      container.withEnvironment({ MARIADB_ROOT_PASSWORD: PASSWORD }).withCommand([...FAST]),
  })
  return { ...server, url: `mysql://root:${ENCODED}@${server.host}:${port}/mysql`, port }
}
