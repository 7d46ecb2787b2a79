/** `npm run faults`: makes every fault on private servers, tells what came of it, beside Python's worker. */

import { celeries } from '../interop/matrix.ts'
import { stopServices } from '../test/support/services.ts'
import { NAMES, writePage } from './page.ts'
import { runRow, type Result } from './run.ts'
import { ROWS } from './rows/index.ts'

const wanted = process.argv.slice(2).filter((arg) => /^F\d/.test(arg))
const rows = ROWS.filter(
  ({ id }) => wanted.length === 0 || wanted.some((name) => id.startsWith(name)),
)
/** Without Python's worker. */
const ours = process.argv.includes('--ours')
const results: Result[] = []
try {
  for (const row of rows) {
    for (const broker of row.brokers) {
      const kinds =
        row.python && !ours ? (['celeriac', 'python'] as const) : (['celeriac'] as const)
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
if (process.argv.includes('--write')) {
  writePage(ROWS, results, celeries().at(-1)?.version ?? '')
}
const broken = results.filter(({ kind, finding }) => kind === 'celeriac' && !finding.ok)
console.log(`${results.length} runs, ${broken.length} broken`)
process.exitCode = broken.length === 0 ? 0 : 1
