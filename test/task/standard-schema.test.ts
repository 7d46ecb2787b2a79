/** Arguments that a schema checks. */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { expect } from 'chai'
import { fixture } from './fakes.ts'

/** What zod, valibot and arktype make, by the type that they publish. */
const pair: StandardSchemaV1<unknown, readonly [number, number]> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      Array.isArray(value) && value.every((item) => typeof item === 'number')
        ? { value: value as unknown as readonly [number, number] }
        : { issues: [{ message: 'not a pair of numbers', path: [0] }] },
  },
}

describe('task/standard-schema', () => {
  it("takes a schema of the standard's own type as the input of a task", () => {
    const add = fixture().task('add', { input: pair }, (x: number, y: number) => x + y)
    expect(add.name).to.equal('add')
  })
})
