/** Django databases with the tables that django-celery-results makes in them. */

import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { mysqlUrl, postgresUrl } from './services.ts'

/** The Django project of the interop suite. */
export const DJANGO_DIR = fileURLToPath(new URL('../../interop/django', import.meta.url))
export const DJANGO_PYTHON = process.env['CELERIAC_TEST_PYTHON'] ?? '/usr/bin/python3'

/** The kinds of database, and how one that is empty is had. */
export const DATABASES: Readonly<
  Record<'PostgreSQL' | 'MariaDB' | 'SQLite', () => Promise<string>>
> = {
  PostgreSQL: postgresUrl,
  MariaDB: mysqlUrl,
  SQLite: async () => {
    const directory = await mkdtemp(join(tmpdir(), 'celeriac-django-'))
    return `sqlite:///${join(directory, 'db.sqlite3')}`
  },
}

/** Has Django make its tables; gives the address, as DATABASE_URL names it. */
export async function migrated(open: () => Promise<string>): Promise<string> {
  const url = await open()
  const args = ['manage.py', 'migrate', '--verbosity', '0', 'django_celery_results']
  const env = { ...process.env, DATABASE_URL: url }
  await promisify(execFile)(DJANGO_PYTHON, args, { cwd: DJANGO_DIR, env, timeout: 60_000 })
  return url
}
