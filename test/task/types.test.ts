/** What the compiler must accept and refuse; tsc checks it, mocha only loads it. */
/* oxlint-disable typescript/no-unnecessary-type-parameters -- that is how two types are compared */

import type { AsyncResult } from '../../src/results/async-result.ts'
import type { TaskContext } from '../../src/task/context.ts'
import { chain } from '../../src/task/compose.ts'
import type { Signature } from '../../src/task/signature.ts'
import type { Task } from '../../src/task/task.ts'
import { fixture } from './fakes.ts'

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Fails to compile when the two types differ. */
function same<A, B>(..._proof: Equal<A, B> extends true ? [] : [never]): void {}

/** Never called: its types are what counts. */
async function types(): Promise<void> {
  const { task } = fixture()
  const add = task('add', (x: number, y: number) => x + y)
  const text = task('text', async (n: number) => String(n))
  const upper = task('upper', { queue: 'q' }, (value: string) => value.toUpperCase())
  const bound = task('bound', { bind: true, maxRetries: 5 }, async (self, id: string) => {
    same<typeof self, TaskContext>()
    return self.request.retries + id.length
  })
  const optional = task('optional', (x: number, y?: number) => x + (y ?? 0))
  const fit = task('fit', (data: string, rate?: number) => data === '' && rate === 1)
  const replaced = task('replaced', { bind: true }, (self) => self.replace(add.s(1, 2)))

  // the function types the task
  same<typeof add, Task<[x: number, y: number], number>>()
  same<typeof text, Task<[n: number], string>>()
  same<typeof bound, Task<[id: string], number>>()
  same<typeof replaced, Task<[], never>>()
  same<Awaited<ReturnType<typeof add>>, number>()

  // calls
  same<Awaited<ReturnType<typeof text.delay>>, AsyncResult<string>>()
  await add.delay(1, 2)
  await add.applyAsync([1, 2], { countdown: 10 })
  await add.applyAsync([1], { kwargs: { y: 2 } })
  await optional.delay(1)
  await bound.delay('x')
  const awaited: number = await (await add.delay(1, 2)).get()
  void awaited
  // @ts-expect-error -- one argument is missing
  await add.delay(1)
  // @ts-expect-error -- a text is no number
  await add.delay(1, '2')
  // @ts-expect-error -- one too many
  await add(1, 2, 3)
  // @ts-expect-error -- self is not for callers to give
  await bound.delay({} as TaskContext, 'x')
  // @ts-expect-error -- without keywords all are needed
  await add.applyAsync([1], { countdown: 10 })
  // @ts-expect-error -- no such option
  await add.applyAsync([1, 2], { count: 10 })
  // @ts-expect-error -- no such option
  task('x', { maxRetry: 1 }, () => 1)
  // @ts-expect-error -- self is a context, not a number
  task('x', { bind: true }, (self: number) => self)

  // partials
  same<ReturnType<typeof add.s<[number]>>, Signature<[x: number], number>>()
  same<ReturnType<typeof add.s<[number, number]>>, Signature<[], number>>()
  await add.s(2).delay(1)
  await add.si(1, 2).delay()
  // @ts-expect-error -- a text is no number
  add.s('1')
  // @ts-expect-error -- the first is missing still
  await add.s(2).delay()
  // @ts-expect-error -- an immutable one needs all
  add.si(1)

  // chains: the result of one is the first argument of the next
  same<ReturnType<typeof fits>, Signature<[], string>>()
  function fits() {
    return chain(add.s(1, 2), add.s(3), text.s(), upper.s())
  }
  chain(add.s(1, 2), text.si(3), upper.s())
  add.s(1, 2).pipe(text.s()).pipe(upper.s())
  chain(add.s(1, 2), optional.s())
  chain(add.s(1, 2), optional.s(3))
  same<ReturnType<typeof optional.s<[]>>, Signature<[x: number, y?: number | undefined], number>>()
  same<ReturnType<typeof optional.s<[number]>>, Signature<[] | [x: number], number>>()
  same<ReturnType<typeof optional.s<[number, number]>>, Signature<[], number>>()
  same<ReturnType<typeof fit.s<[number]>>, Signature<[data: string], boolean>>()
  same<ReturnType<typeof fit.s<[string]>>, Signature<[], boolean>>()
  // @ts-expect-error -- it has all its arguments
  chain(add.s(1, 2), fit.s('data'))
  chain([add.s(1, 2), text.s()])
  // @ts-expect-error -- upper takes a text, add gives a number
  chain(add.s(1, 2), upper.s())
  // @ts-expect-error -- add has all its arguments: there is no room for a result
  chain(add.s(1, 2), add.s(3, 4))
  // @ts-expect-error -- the same by pipe
  text.s(1).pipe(add.s(2))
  // @ts-expect-error -- add misses two, and a result is but one
  chain(text.s(1), add.s())
  await chain(add.s(2), text.s()).delay(1)

  // map and starmap
  same<ReturnType<typeof text.map>, Signature<readonly unknown[], string[]>>()
  add.starmap([[1, 2]])
  // @ts-expect-error -- each item is a list of two
  add.starmap([[1]])
}

describe('the types of tasks', () => {
  it('are checked by the compiler', () => void types)
})
