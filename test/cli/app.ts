/** The app of the command line's tests; broker, backend and other settings come from the environment. */

import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { Celery } from '../../src/app/celery.ts'
import type { SettingsInput } from '../../src/conf/settings.ts'

const settings = JSON.parse(process.env['CLI_SETTINGS'] ?? '{}') as SettingsInput

export const app = new Celery('cli', settings)

app.task('cli.add', (x: number, y: number) => x + y)
app.task('cli.give', (value: unknown) => value)
app.task('cli.boom', () => {
  throw new RangeError('boom')
})
/** Writes that it began, waits, writes that it ended. */
const wait = async (file: string, seconds: number): Promise<void> => {
  writeFileSync(`${file}.began`, '')
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  writeFileSync(`${file}.ended`, '')
}
app.task('cli.wait', wait)
app.task('cli.late', { acksLate: true }, wait)
app.task('cli.reject', () => {
  void Promise.reject(new Error('nobody awaits me'))
})
app.task('cli.throw', () => {
  setTimeout(() => {
    throw new Error('out of a timer')
  })
})
app.task('cli.block', (seconds: number) => {
  const end = Date.now() + seconds * 1000
  while (Date.now() < end);
})
/** Writes that it began, and ends when it may. */
app.task('cli.gate', async (file: string) => {
  writeFileSync(`${file}.began`, '')
  while (!existsSync(`${file}.go`)) await new Promise((resolve) => setTimeout(resolve, 20))
})
/** Takes its worker along. */
app.task('cli.poison', { acksLate: true }, (file: string) => {
  appendFileSync(file, 'x')
  process.exit(9)
})
/** What listens to its signal throws. */
app.task('cli.listen', { bind: true, softTimeLimit: 0.1 }, (self) => {
  self.signal.addEventListener('abort', () => {
    throw new Error('out of a listener')
  })
  return new Promise((resolve) => setTimeout(resolve, 300))
})
app.task('cli.pid', () => {
  console.log('said by a task')
  return process.pid
})
