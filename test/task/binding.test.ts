/** Arguments to parameters, with the complaints that Python has. */

import { expect } from 'chai'
import { arityOf, bindArguments, validateArguments, type Bindable } from '../../src/task/binding.ts'
import type { StandardSchema } from '../../src/task/standard-schema.ts'

type Fn = (...args: never) => unknown

function bindable(run: Fn, options: Partial<Bindable['options']> = {}): Bindable {
  return {
    name: 'shop.add',
    run,
    arity: arityOf(run, false),
    options: { params: undefined, input: undefined, typing: true, ...options },
  }
}

const add = (x: number, y: number): number => x + y

describe('the arity of a function', () => {
  const cases: readonly (readonly [Fn, number, number])[] = [
    [() => 1, 0, 0],
    [add, 2, 2],
    [(x: number, y = 2) => x + y, 1, 2],
    [
      (
        x: number,
        y: number[] = [1, 2],
        { a, b }: { a: string; b: string } = { a: ')', b: ',' },
      ) => [x, y, a, b],
      1,
      3,
    ],
    [({ a, b }: { a: number; b: number }) => a === b, 1, 1],
    [(...all: number[]) => all, 0, Infinity],
    [(x: number, ...rest: number[]) => [x, rest], 1, Infinity],
    [async (x: number) => x, 1, 1],
    // eslint-disable-next-line prefer-rest-params -- that is what is tested
    [function () { return arguments.length }, 0, Infinity], // prettier-ignore
    [add.bind(null), 2, Infinity],
    [
      function sell(a: string, b = 'x,y') {
        return a + b
      },
      1,
      2,
    ],
  ]
  for (const [run, required, max] of cases) {
    it(`is read from its text: ${run.toString().replaceAll(/\s+/g, ' ')}`, () => {
      expect(arityOf(run, false)).to.deep.equal({ required, max })
    })
  }

  it('does not count self', () => {
    expect(arityOf((_self: unknown, x: number) => x, true)).to.deep.equal({ required: 1, max: 1 })
  })
})

describe('binding arguments', () => {
  const params = ['x', 'y']
  const three = (a: number, b: number, c: number): number => a + b + c

  it('puts keywords in their places', () => {
    const task = bindable(add, { params })
    expect(bindArguments(task, [1], { y: 2 })).to.deep.equal([1, 2])
    expect(bindArguments(task, [], { y: 2, x: 1 })).to.deep.equal([1, 2])
  })

  it('lets those be left out that have a default or are marked so', () => {
    const withDefault = bindable((x: number, y = 5) => x + y, { params })
    expect(bindArguments(withDefault, [1], {})).to.deep.equal([1])
    const marked = bindable(add, { params: ['x', 'y?'] })
    expect(bindArguments(marked, [], { x: 1 })).to.deep.equal([1])
    const gap = bindable((x = 1, y = 2) => x + y, { params })
    expect(gap.run(...(bindArguments(gap, [], { y: 5 }) as never))).to.equal(6)
  })

  const python: readonly (readonly [string, Bindable, unknown[], Record<string, unknown>])[] = [
    ["add() missing 1 required positional argument: 'y'", bindable(add, { params }), [1], {}],
    [
      "add() missing 2 required positional arguments: 'x' and 'y'",
      bindable(add, { params }),
      [],
      {},
    ],
    [
      "three() missing 3 required positional arguments: 'a', 'b', and 'c'",
      bindable(three, { params: ['a', 'b', 'c'] }),
      [],
      {},
    ],
    ["add() got an unexpected keyword argument 'z'", bindable(add, { params }), [1, 2], { z: 3 }],
    ["add() got multiple values for argument 'x'", bindable(add, { params }), [1], { x: 3 }],
    [
      'add() takes 2 positional arguments but 3 were given',
      bindable(add, { params }),
      [1, 2, 3],
      {},
    ],
    ['add() takes 2 positional arguments but 3 were given', bindable(add), [1, 2, 3], {}],
    ['add() takes 0 positional arguments but 1 was given', bindable(() => 1), [1], {}],
    [
      'add() takes from 1 to 2 positional arguments but 3 were given',
      bindable((x: number, y = 1) => x + y),
      [1, 2, 3],
      {},
    ],
    ['add() missing 1 required positional argument', bindable(add), [1], {}],
  ]
  for (const [text, task, args, kwargs] of python) {
    it(`fails as Python does: ${text}`, () => {
      expect(() => bindArguments(task, args, kwargs))
        .to.throw(TypeError)
        .with.property('message', text)
    })
  }

  it('tells to declare params when there are keywords without', () => {
    expect(() => bindArguments(bindable(add), [1], { y: 2 })).to.throw(
      TypeError,
      /'y': declare the names of its arguments in the option 'params' of task 'shop.add'/,
    )
  })

  it('does not take a name of Object for a parameter', () => {
    const kwargs = JSON.parse('{"__proto__": 1, "constructor": 2}') as Record<string, unknown>
    expect(() => bindArguments(bindable(add, { params }), [1, 2], kwargs)).to.throw(/unexpected/)
  })

  it('does not count when typing is off', () => {
    expect(bindArguments(bindable(add, { typing: false }), [1], {})).to.deep.equal([1])
  })
})

describe('an input schema', () => {
  const schema = (validate: StandardSchema['~standard']['validate']): StandardSchema => ({
    '~standard': { version: 1, vendor: 'test', validate },
  })

  it('is given the list, and its output replaces it', async () => {
    const input = schema((value) => ({ value: (value as number[]).map((n) => n * 2) }))
    expect(await validateArguments(bindable(add, { input }), [1, 2])).to.deep.equal([2, 4])
  })

  it('is given an object by name with params, and may fill in what is missing', async () => {
    const seen: unknown[] = []
    const input = schema(async (value) => {
      seen.push(value)
      return { value: { y: 9, ...(value as object) } }
    })
    const task = bindable(add, { input, params: ['x', 'y?'] })
    expect(await validateArguments(task, [1])).to.deep.equal([1, 9])
    expect(seen).to.deep.equal([{ x: 1 }])
  })

  it('refuses with the paths that were wrong', async () => {
    const issues = [
      { message: 'expected a number', path: ['items', 0, { key: 'qty' }] },
      { message: 'too short' },
    ]
    const input = schema(() => ({ issues }))
    const error: unknown = await validateArguments(bindable(add, { input }), []).catch(
      (refused: unknown) => refused,
    )
    expect(error).to.be.instanceOf(TypeError)
    expect(error)
      .to.have.property('message')
      .that.equals('add() got invalid arguments: items[0].qty: expected a number; too short')
  })
})
