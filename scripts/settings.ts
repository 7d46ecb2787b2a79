/** Writes docs/settings.md from the table of settings: `npm run docs`; with `--check`, only compares. */

import { readFileSync, writeFileSync } from 'node:fs'
import { oldName } from '../src/conf/resolve.ts'
import {
  camelCase,
  FOREIGN_PREFIXES,
  SETTINGS,
  type Setting,
  type SettingName,
} from '../src/conf/settings.ts'

const SOURCE = new URL('../src/conf/settings.ts', import.meta.url)
const TARGET = new URL('../docs/settings.md', import.meta.url)

/** What a name begins with, and what stands above those. */
const CHAPTERS: readonly (readonly [prefix: string, title: string])[] = [
  ['broker_', 'Broker'],
  ['task_', 'Tasks'],
  ['result_', 'Results'],
  ['worker_', 'Worker'],
  ['beat_', 'Beat'],
  ['event_', 'Events'],
  ['control_', 'Remote control'],
  ['redis_', 'Redis as a result backend'],
  ['database_', 'Databases as a result backend'],
  ['cache_', 'Caches as a result backend'],
  ['security_', 'Security'],
  ['', 'General'],
]

const STATUS: Readonly<Record<NonNullable<Setting['status']> | 'honoured', string>> = {
  honoured: 'yes',
  later: 'not yet: a warning',
  foreign: 'means nothing here: a warning',
  refused: 'refused',
}

const HEAD = `# Settings

All settings of Celery 5.6, and a few of our own. This page is written from the table in
[src/conf/settings.ts](../src/conf/settings.ts) by \`npm run docs\`.

- Each may be given in camelCase (\`taskAcksLate\`), under Celery's name (\`task_acks_late\`), or under the name that
  Celery 3 had (\`CELERY_ACKS_LATE\`): to the constructor, to \`app.configFromObject()\`, or by assignment to \`app.conf\`.
- What goes before what: the environment (\`CELERY_BROKER_URL\`, \`CELERY_BROKER_READ_URL\`, \`CELERY_BROKER_WRITE_URL\`,
  \`CELERY_RESULT_BACKEND\`), the constructor and assignments, \`configFromObject()\`, the default. As in Celery.
- **The embedded default**: without a broker in the settings or in the environment, the broker is \`memory://\`, inside the process. On
  \`memory://\` results are kept there too, unless \`resultBackend\` says otherwise (\`disabled://\` keeps none).
- An unknown setting is an error that names the nearest known one. A value of the wrong type is an error, which never
  repeats the value.
- Seconds may be a number, \`{ minutes: 5 }\`, or luxon's Duration.
- Names that begin with ${FOREIGN_PREFIXES.map((prefix) => `\`${prefix}\``).join(', ')}
  belong to backends that are not here; they are ignored with a warning.
`

function main(): void {
  const page = `${HEAD}\n${CHAPTERS.map(chapter).join('\n')}`
  if (!process.argv.includes('--check')) return writeFileSync(TARGET, page)
  if (readFileSync(TARGET, 'utf8') === page) return
  process.stderr.write('docs/settings.md is not what src/conf/settings.ts says: run npm run docs\n')
  process.exitCode = 1
}

function chapter([prefix, title]: (typeof CHAPTERS)[number]): string {
  const names = (Object.keys(SETTINGS) as SettingName[]).filter(
    (name) => chapterOf(name) === prefix,
  )
  const rows = names.map(row)
  return [
    `## ${title}\n`,
    '| setting | type | default | what it does | honoured | in Celery 3 |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function chapterOf(name: string): string {
  return CHAPTERS.find(([prefix]) => name.startsWith(prefix))?.[0] ?? ''
}

const MEANINGS = meanings()

function row(name: SettingName): string {
  const setting: Setting = SETTINGS[name]
  const celery = setting.ours === true ? '(ours)' : `\`${name}\``
  const cells = [
    `\`${camelCase(name)}\` ${celery}`,
    setting.choices === undefined ? typeOf(setting) : setting.choices.map(String).join(', '),
    `\`${JSON.stringify(setting.default)}\``,
    MEANINGS.get(name) ?? '',
    STATUS[setting.status ?? 'honoured'],
    setting.ours === true ? '' : `\`${oldName(name)}\``,
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function typeOf({ type, nullable, default: value }: Setting): string {
  const name = type === 'any' ? 'see the types' : type
  return nullable === true || value === null ? `${name}, null` : name
}

/** The comment above each entry. */
function meanings(): ReadonlyMap<string, string> {
  const source = readFileSync(SOURCE, 'utf8')
  const table = source.slice(source.indexOf('export const SETTINGS'))
  const entries = table.matchAll(/ {2}\/\*\*\s*((?:[^*]|\*(?!\/))*?)\s*\*\/\n {2}(\w+): \{/g)
  return new Map(
    Array.from(entries, ([, text = '', name = '']) => [
      name,
      text.replace(/(^|\s*\n)\s*\* ?/g, ' ').trim(),
    ]),
  )
}

main()
