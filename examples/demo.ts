/** The main job in one process, on the embedded broker: tasks called, sent, delayed, put together, retried, failed, watched. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Celery, chord, SILENT, TaskError } from 'celeriac'

// no log of the worker between the lines, and no broker but the embedded one
const app = new Celery('demo', {}, { logger: SILENT, env: {} })

const add = app.task('demo.add', (x: number, y: number) => x + y)

const sum = app.task('demo.sum', (sums: readonly number[]) => sums.reduce((a, b) => a + b, 0))

const flaky = app.task(
  'demo.flaky',
  { bind: true, maxRetries: 3 },
  (self, failures: number): string => {
    if (self.request.retries < failures) {
      throw self.retry({ countdown: 0.2, exc: new Error('the line is busy') })
    }
    return `done at attempt ${self.request.retries + 1}`
  },
)

const divide = app.task('demo.divide', function divide(x: number, y: number): number {
  if (y === 0) throw new RangeError('division by zero')
  return x / y
})

const crunch = app.task('demo.crunch', { bind: true }, async (self, total: number) => {
  for (let done = 1; done <= total; done += 1) {
    await sleep(120)
    await self.updateState('PROGRESS', { done, total })
  }
  return `${total} parts`
})

interface Progress {
  readonly done: number
  readonly total: number
}

function show(what: string, outcome: unknown): void {
  console.log(`  ${what.padEnd(46)} ${String(outcome)}`)
}

/** In place on a terminal, a line for each quarter elsewhere. */
function showProgress(progress: Progress): void {
  if (process.stdout.isTTY) process.stdout.write(`\r  ${bar(progress)}`)
  else if ((progress.done * 4) % progress.total === 0) console.log(`  ${bar(progress)}`)
}

function bar({ done, total }: Progress): string {
  return `[${'█'.repeat(done)}${'·'.repeat(total - done)}] ${Math.round((done / total) * 100)} %`
}

function title(text: string): void {
  console.log(`\n${text}`)
}

title('Called here and now')
show('await add(2, 2)', await add(2, 2))

title('Sent to a worker, over the embedded broker')
const worker = app.worker({ concurrency: 4 })
await worker.start()
const sent = await add.delay(2, 3)
show('await add.delay(2, 3)', sent)
show('await result.get({ timeout: 5 })', await sent.get({ timeout: 5 }))

title('Not before half a second from now')
const start = performance.now()
const later = await add.applyAsync([20, 22], { countdown: 0.5 })
const answer = await later.get({ timeout: 5 })
const seconds = ((performance.now() - start) / 1000).toFixed(2)
show('add.applyAsync([20, 22], { countdown: 0.5 })', `${answer}, after ${seconds} s`)

title('In parallel, and then all together')
const sums = [add.s(1, 1), add.s(2, 2), add.s(3, 3)]
const all = await chord(sums, sum.s()).applyAsync()
show('chord([add.s(1, 1), …], sum.s())', await all.get({ timeout: 5 }))

title('Retried until it works')
const retried = await flaky.delay(2)
show('await flaky.delay(2)', await retried.get({ timeout: 5 }))

title('Failed: the traceback reads as Python writes it')
const failed = await divide.delay(1, 0)
const error = await failed.get({ timeout: 5 }).catch((reason: unknown) => reason)
if (!(error instanceof TaskError)) throw error
show('await divide.delay(1, 0)', error.message)
console.log(error.traceback?.trimEnd().replace(/^/gm, '    '))

title('Watched while it runs')
const watched = await crunch.delay(20)
for await (const { status, result } of watched.updates()) {
  if (status === 'PROGRESS') showProgress(result as Progress)
  else if (status === 'SUCCESS')
    console.log(`${process.stdout.isTTY ? '\n' : ''}  ${String(result)}`)
}

await worker.stop()
await app.close()
title('With a broker, the same code joins a Celery fleet: CELERY_BROKER_URL=amqp://… or redis://…')
