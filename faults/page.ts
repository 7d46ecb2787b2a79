/** The table of docs/reliability.md: what was found now, and before what was not looked at this time. */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Broker, Row } from './row.ts'
import type { Result } from './run.ts'
import type { Kind } from './stage.ts'

const PAGE = fileURLToPath(new URL('../docs/reliability.md', import.meta.url))
const MARK = '<!-- faults -->'
const NONE = '–'

export const NAMES: Readonly<Record<Broker, string>> = { redis: 'Redis', amqp: 'RabbitMQ' }

/** What stands in the page for one fault on one broker. */
type Cells = Readonly<Record<Kind, string>>

export function writePage(rows: readonly Row[], results: readonly Result[], python: string): void {
  const [before = '', old = '', after = ''] = readFileSync(PAGE, 'utf8').split(MARK)
  const known = cellsOf(old)
  const lines = rows.flatMap((row) => linesOf(row, results, known))
  const head = [
    `| | Fault, and what is promised | | celeriac | Celery ${python} |`,
    '| --- | --- | --- | --- | --- |',
  ]
  const table = [...head, ...lines].join('\n')
  writeFileSync(PAGE, `${before}${MARK}\n\n${table}\n\n${MARK}${after}`)
}

function linesOf(
  row: Row,
  results: readonly Result[],
  known: ReadonlyMap<string, Cells>,
): readonly string[] {
  return row.brokers.map((broker, index) => {
    const name = NAMES[broker]
    const cell = (kind: Kind): string => {
      const found = results.find(
        (one) => one.row === row && one.broker === broker && one.kind === kind,
      )
      return found?.finding.text ?? known.get(`${row.id} ${name}`)?.[kind] ?? NONE
    }
    const what = index === 0 ? `${row.fault}. _${row.promise}_` : ''
    return `| ${row.id} | ${what} | ${name} | ${cell('celeriac')} | ${cell('python')} |`
  })
}

function cellsOf(table: string): ReadonlyMap<string, Cells> {
  const found = new Map<string, Cells>()
  for (const line of table.split('\n')) {
    const [, id = '', , broker = '', celeriac = NONE, python = NONE] = line
      .split('|')
      .map((cell) => cell.trim())
    if (id.startsWith('F')) found.set(`${id} ${broker}`, { celeriac, python })
  }
  return found
}
