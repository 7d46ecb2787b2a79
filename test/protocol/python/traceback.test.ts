/** Stacks as Python writes tracebacks. */

import { expect } from 'chai'
import * as fc from 'fast-check'
import { formatTraceback, ownRooms } from '../../../protocol/python/traceback.ts'
import { TaskRevokedError } from '../../../src/errors.ts'

function withStack(error: Error, frames: readonly string[]): Error {
  error.stack = [`${error.name}: ${error.message}`, ...frames].join('\n')
  return error
}

const OUTER = '    at async main (file:///app/my%20shop.js:30:1)'
const INNER = '    at charge (/app/charge.js:12:9)'
const NODE = '    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)'

describe('formatTraceback', () => {
  it('shows the most recent call last, as Python does', () => {
    const error = withStack(new TypeError('boom'), [INNER, NODE, OUTER])
    expect(formatTraceback(error)).to.equal(
      [
        'Traceback (most recent call last):',
        '  File "/app/my shop.js", line 30, in main',
        '  File "/app/charge.js", line 12, in charge',
        'TypeError: boom',
        '',
      ].join('\n'),
    )
  })

  it("keeps Node's own frames when there are no others", () => {
    const error = withStack(new Error('boom'), [NODE])
    expect(formatTraceback(error)).to.include(
      'File "node:internal/process/task_queues", line 95, in process.processTicksAndRejections',
    )
  })

  it('leaves out how this package came to the task, not what the task called in it', () => {
    const root = new URL('../../..', import.meta.url)
    const run = `    at runBody (${root.href}src/task/body.ts:18:10)`
    const send = `    at encode (${root.href}protocol/task/encode.ts:5:1)`
    const lines = (...frames: string[]): string[] =>
      formatTraceback(withStack(new Error('boom'), frames))
        .split('\n')
        .slice(1, -2)
    const task = `  File "${root.pathname}test/x.ts", line 1, in task`
    const frame = `    at task (${root.href}test/x.ts:1:1)`
    expect(lines(frame, run, NODE)).to.deep.equal([task])
    expect(lines(send, frame, run, OUTER)).to.deep.equal([
      '  File "/app/my shop.js", line 30, in main',
      task,
      `  File "${root.pathname}protocol/task/encode.ts", line 5, in encode`,
    ])
    expect(lines(run, NODE)).to.have.length(1)
  })

  it('knows its own folders: compiled, under a source map, and not in a bundle', () => {
    const installed = '/app/node_modules/celeriac'
    expect(ownRooms(`file://${installed}/dist/protocol/python/traceback.js`)).to.deep.equal([
      `${installed}/dist/protocol/`,
      `${installed}/dist/src/`,
      `${installed}/protocol/`,
      `${installed}/src/`,
    ])
    expect(ownRooms('file:///app/dist/main.js')).to.deep.equal([])
  })

  it('reads a frame without a name, and takes no line of the message for one', () => {
    const message = 'see\n    at fake (/fake.js:1:1)\nend'
    const error = withStack(new Error(message), ['    at /app/x.js:7:1'])
    expect(formatTraceback(error)).to.equal(
      `Traceback (most recent call last):\n  File "/app/x.js", line 7, in <module>\nException: ${message}\n`,
    )
  })

  it('shows the cause first', () => {
    const cause = withStack(new TypeError('inner'), [INNER])
    const error = withStack(new Error('outer', { cause }), [OUTER])
    const [first, second] = formatTraceback(error).split(
      '\nThe above exception was the direct cause of the following exception:\n\n',
    )
    expect(first).to.match(/TypeError: inner\n$/)
    expect(second).to.match(/Exception: outer\n$/)
  })

  it('ends when errors cause each other', () => {
    const error = new Error('a')
    error.cause = new Error('b', { cause: error })
    expect(formatTraceback(error).split('direct cause').length).to.equal(2)
  })

  it('lists the errors of an AggregateError', () => {
    const error = new AggregateError([new TypeError('one'), 'two'], 'both')
    expect(formatTraceback(error)).to.match(
      /AggregateError: both\n {2}\[1\/2\] TypeError: one\n {2}\[2\/2\] Exception: two\n$/,
    )
  })

  it('puts the module before a class that is not built in', () => {
    expect(formatTraceback(new TaskRevokedError('expired'))).to.match(
      /\ncelery\.exceptions\.TaskRevokedError: expired\n$/,
    )
  })

  it('writes only the last line when there is no stack', () => {
    expect(formatTraceback('thrown')).to.equal('Exception: thrown\n')
    expect(formatTraceback(undefined)).to.equal('Exception: None\n')
  })

  it('stays within 64 KiB and keeps the last line', () => {
    const frames = Array.from({ length: 10_000 }, () => INNER)
    const error = withStack(new Error(`start ${'x'.repeat(1e6)} end`), frames)
    error.cause = withStack(new Error('y'.repeat(1e6)), frames)
    const text = formatTraceback(error)
    expect(text.length).to.be.at.most(64 * 1024)
    expect(text).to.match(/characters cut[^]* end\n$/)
  })

  it('takes any value', () => {
    fc.assert(
      fc.property(fc.anything(), (thrown) => {
        expect(formatTraceback(thrown)).to.match(/\n$/)
      }),
    )
  })
})
