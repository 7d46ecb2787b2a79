/** What the compiler must accept and refuse of canvases; tsc checks it, mocha only loads it. */
/* oxlint-disable typescript/no-unnecessary-type-parameters -- that is how two types are compared */

import type { AsyncResult } from '../../src/results/async-result.ts'
import type { EagerResult } from '../../src/results/eager-result.ts'
import type { GroupResult } from '../../src/results/group-result.ts'
import type { Chunks } from '../../src/task/chunks.ts'
import { chain, chord, group } from '../../src/task/compose.ts'
import type { Group } from '../../src/task/fit.ts'
import type { Signature } from '../../src/task/signature.ts'
import { fixture } from './fakes.ts'

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Fails to compile when the two types differ. */
function same<A, B>(..._proof: Equal<A, B> extends true ? [] : [never]): void {}

/** Fails to compile when the value is not of exactly that type. */
function is<T>() {
  return <V>(_value: V, ..._proof: Equal<V, T> extends true ? [] : [never]): void => {}
}

/** Never called: its types are what counts. */
async function types(): Promise<void> {
  const { task } = fixture()
  const add = task('add', (x: number, y: number) => x + y)
  const double = task('double', (n: number) => n * 2)
  const text = task('text', (n: number) => String(n))
  const upper = task('upper', (value: string) => value.toUpperCase())
  const total = task('total', (numbers: readonly number[]) => numbers.length)
  const both = task('both', (pair: [number, string]) => pair[1])

  // chains of any length
  is<Signature<[x: number], string>>()(
    chain(
      add.s(1),
      double.s(),
      double.s(),
      double.s(),
      double.s(),
      double.s(),
      text.s(),
      upper.s(),
    ),
  )
  is<Signature>()(chain([add.s(1, 1), double.s()]))
  is<Signature>()(chain(new Set([add.s(1, 1)])))
  // @ts-expect-error -- the last takes a text, and is given a number
  chain(add.s(1, 1), double.s(), double.s(), double.s(), double.s(), double.s(), upper.s())
  // @ts-expect-error -- a chain has one at least
  chain()

  // groups: the list of the results of the members, each with its own type
  const mixed = group([add.s(1), text.s()])
  is<Group<[x: number], [number, string]>>()(mixed)
  is<Group<[x: number], [number, string]>>()(group(add.s(1), text.s()))
  is<Group<[n: number], number[]>>()(group([1, 2].map(() => double.s())))
  is<Group<[n: number], number[]>>()(group(new Set([double.s()])))
  is<Group<readonly unknown[], []>>()(group([]))
  same<Awaited<ReturnType<typeof mixed.delay>>, GroupResult<[number, string]>>()
  const sent = await mixed.delay(1)
  is<[number, string]>()(await sent.get())
  is<AsyncResult<number>>()(sent.results[0])
  is<GroupResult<[number, string]>>()(await mixed.apply([1]))
  is<GroupResult<[number, string]>>()(mixed.freeze())
  // @ts-expect-error -- its members take a number
  await mixed.delay('1')
  // @ts-expect-error -- one member takes a number, the other takes none
  await group([add.s(1, 1), text.s()]).delay(1)
  // @ts-expect-error -- a task is no signature
  group([add])

  // groups in groups are part of them; chains that end in a group are not
  is<Group<[x: number], [number, string, number]>>()(
    group([group([add.s(1), text.s()]), double.s()]),
  )
  is<Group<[n: number], [[number, string], number]>>()(
    group([chain(double.s(), mixed), double.s()]),
  )
  is<Group<[n: number], [number, string]>>()(group([chain(double.s(), mixed)]))

  // a chain that ends in a group gives a GroupResult; a group of one is its task there
  is<Signature<[n: number], [number, string], GroupResult<[number, string]>>>()(
    chain(double.s(), mixed),
  )
  is<Signature<[n: number], number>>()(chain(double.s(), group([double.s()])))
  is<Signature<[n: number], number>>()(double.s().pipe(group([double.s()])))
  is<Signature<[n: number], string>>()(chain(group([double.s()]), text.s()))

  // what follows a group takes the list of its results
  is<Signature<[x: number], string>>()(chain(mixed, both.s(), upper.s()))
  is<Signature<[x: number], string>>()(mixed.pipe(both.s()).pipe(upper.s()))
  is<Signature<[n: number], number>>()(chain(group([double.s(), double.s()]), total.s()))
  // @ts-expect-error -- a number and a text are no numbers
  chain(mixed, total.s())
  // @ts-expect-error -- the same by pipe
  mixed.pipe(total.s())
  // @ts-expect-error -- a list is no number
  group([double.s(), double.s()]).pipe(double.s())

  // chords
  const ofTuple = chord([add.s(1), text.s()], both.s())
  const ofGroup = chord(mixed, both.s())
  const many = [1, 2, 3].map(() => double.s())
  const ofList = chord(many, total.s())
  const alone = chord([add.s(1), text.s()], text.si(1))
  same<typeof ofTuple, Signature<[n: number], string>>()
  same<typeof ofGroup, Signature<[n: number], string>>()
  same<typeof ofList, Signature<[n: number], number>>()
  same<typeof alone, Signature<[n: number], string>>()
  is<AsyncResult<string>>()(await chord(mixed)(both.s()))
  is<AsyncResult<number>>()(await chord([add.s(1, 1), add.s(2, 2)])(total.s()))
  const thenGroup = chain(chord(many, total.s()), group([text.s(), text.s()]))
  is<Signature<[n: number], [string, string], GroupResult<[string, string]>>>()(thenGroup)
  // @ts-expect-error -- the body takes numbers
  chord([add.s(1), text.s()], total.s())
  // @ts-expect-error -- the same, given later
  await chord(mixed)(total.s())

  // here and now
  is<EagerResult<string>>()(await chord(mixed, both.s()).apply([1]))
  is<EagerResult<number>>()(await add.s(1).apply([1]))

  // chunks
  is<Chunks<number>>()(add.chunks([[1, 1]], 10))
  is<GroupResult<number[][]>>()(await add.chunks([[1, 1]], 10).applyAsync())
  is<Group<readonly unknown[], number[][]>>()(add.chunks([[1, 1]], 10).group())
  // @ts-expect-error -- each item is a list of two
  add.chunks([[1]], 10)
}

describe('the types of canvases', () => {
  it('are checked by the compiler', () => void types)
})
