/** `npm run faults`: makes every fault on private servers, tells what came of it, beside Python's worker. */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { celeries } from '../interop/matrix.ts'
import { stopServices } from '../test/support/services.ts'
import { runRow, type Result } from './run.ts'
import { ROWS } from './rows/index.ts'

const PAGE = fileURLToPath(new URL('../docs/reliability.md', import.meta.url))
const MARK = '<!-- faults -->'
const NAMES = { redis: 'Redis', amqp: 'RabbitMQ' } as const

const wanted = process.argv.slice(2).filter((arg) => /^F\d/.test(arg))
const rows = ROWS.filter(
  ({ id }) => wanted.length === 0 || wanted.some((name) => id.startsWith(name)),
)
const results: Result[] = []
try {
  for (const row of rows) {
    for (const broker of row.brokers) {
      const kinds = row.python ? (['celeriac', 'python'] as const) : (['celeriac'] as const)
      for (const kind of kinds) {
        const result = await runRow(row, broker, kind)
        results.push(result)
        const { ok, text } = result.finding
        const verdict = kind === 'python' ? 'told' : ok ? 'kept' : 'BROKEN'
        console.log(`${row.id} ${NAMES[broker]} ${kind}: ${verdict}: ${text}`)
      }
    }
  }
} finally {
  await stopServices()
}
if (process.argv.includes('--write')) write(table())
const broken = results.filter(({ kind, finding }) => kind === 'celeriac' && !finding.ok)
console.log(`${results.length} runs, ${broken.length} broken`)
process.exitCode = broken.length === 0 ? 0 : 1

function table(): string {
  const lines = rows.flatMap((row) =>
    row.brokers.map((broker) => {
      const cell = (kind: Result['kind']): string =>
        results.find((one) => one.row === row && one.broker === broker && one.kind === kind)
          ?.finding.text ?? '–'
      return `| ${row.id} | ${row.fault} | ${NAMES[broker]} | ${row.promise} | ${cell('celeriac')} | ${cell('python')} |`
    }),
  )
  const version = celeries().at(-1)?.version ?? '?'
  return [
    `| | Fault | Broker | Promise | celeriac | Celery ${version} |`,
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n')
}

function write(text: string): void {
  const [before = '', , after = ''] = readFileSync(PAGE, 'utf8').split(MARK)
  writeFileSync(PAGE, `${before}${MARK}\n\n${text}\n\n${MARK}${after}`)
}
