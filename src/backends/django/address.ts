/** Where Django's database is: in the URL of the result backend, or where Django itself looks. */

import { ImproperlyConfigured } from '../../errors.ts'

/** The variable that Django projects keep the address of their database in. */
const VARIABLE = 'DATABASE_URL'

const FORMS =
  'django-db+postgresql://user:password@host/database, django-db+mysql://… or django-db+sqlite:////path/of/the/file'

/**
 * What other programs call our three databases.
 *
 * @see dj-database-url 2, `DJANGO_SCHEMES` and the registered engines
 */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['postgres', 'postgresql'],
  ['pgsql', 'postgresql'],
  ['psql', 'postgresql'],
  ['postgis', 'postgresql'],
  ['mysql2', 'mysql'],
  ['mysqlgis', 'mysql'],
  ['mysql-connector', 'mysql'],
  ['spatialite', 'sqlite'],
])

/**
 * The address of the database: `postgresql://…`, `mysql://…` or `sqlite:///…`.
 *
 * @throws ImproperlyConfigured, which never repeats the address
 */
export function djangoDatabaseUrl(
  url: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const given = /^django-db\+(.+)$/is.exec(url)?.[1]
  if (given !== undefined) return withKnownName(given)
  if (!/^django-db(?::\/\/\/?)?$/i.test(url)) {
    throw new ImproperlyConfigured(`the result backend django-db wants a database: ${FORMS}`)
  }
  const variable = env[VARIABLE]
  if (variable) return withKnownName(variable)
  throw new ImproperlyConfigured(
    `the result backend django-db does not say which database Django uses: set ${VARIABLE}, or write ${FORMS}`,
  )
}

function withKnownName(address: string): string {
  const [scheme = ''] = address.split(':', 1)
  const [name = '', ...driver] = scheme.toLowerCase().split('+')
  const known = NAMES.get(name) ?? NAMES.get([name, ...driver].join('-')) ?? name
  return `${known}${address.slice(scheme.length)}`
}
