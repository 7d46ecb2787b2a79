/** The lines that a worker writes of its tasks. */

import { expect } from 'chai'
import { consoleLogger, isEnabled, LOG_LEVELS, type Logger } from '../../src/runtime/log.ts'
import type { Outcome } from '../../src/task/request.ts'
import { guarded, logOutcome, shown, taskLabel } from '../../src/worker/log-line.ts'
import { recorder } from './harness.ts'

const runtime = 0.009504040999672725
const LINES: readonly (readonly [Outcome, string])[] = [
  [
    { state: 'SUCCESS', resultRepr: '5', runtime },
    'info Task x[id] succeeded in 0.009504040999672725s: 5',
  ],
  [
    {
      state: 'FAILURE',
      exceptionRepr: "ValueError('boom', 42)",
      traceback: 'Traceback (most recent call last):\nValueError: boom\n',
      expected: false,
      timedOut: false,
      runtime,
    },
    "error Task x[id] raised unexpected: ValueError('boom', 42)\nTraceback (most recent call last):\nValueError: boom",
  ],
  [
    {
      state: 'FAILURE',
      exceptionRepr: "ValueError('boom')",
      traceback: 'Traceback',
      expected: true,
      timedOut: false,
      runtime,
    },
    "info Task x[id] raised expected: ValueError('boom')",
  ],
  [
    {
      state: 'RETRY',
      message: "Retry in 180s: ValueError('nope')",
      exceptionRepr: '',
      traceback: '',
      runtime,
    },
    "info Task x[id] retry: Retry in 180s: ValueError('nope')",
  ],
  [{ state: 'IGNORED', runtime }, 'info Task x[id] ignored'],
  [
    { state: 'REJECTED', reason: 'bad', requeue: false, runtime },
    'warning Task x[id] reject requeue=False: bad',
  ],
  [{ state: 'DUPLICATE', runtime }, 'info Task x[id] already completed successfully.'],
  [
    { state: 'INTERNAL_ERROR', exceptionRepr: 'E()', traceback: 'Traceback\n', runtime },
    'critical Task x[id] INTERNAL ERROR: E()\nTraceback',
  ],
]

describe('worker/log-line', () => {
  for (const [outcome, line] of LINES) {
    it(`says of ${outcome.state} what Celery says`, () => {
      const logged: string[] = []
      logOutcome(recorder(logged), { label: taskLabel('x', 'id') }, outcome)
      expect(logged).to.deep.equal([line])
    })
  }

  it('makes no text that nobody reads', () => {
    const outcome = {
      state: 'SUCCESS',
      runtime,
      get resultRepr(): string {
        throw new Error('it was made')
      },
    } as const
    const log = consoleLogger({ level: 'warning', write: () => {} })
    logOutcome(log, { label: 'x[id]' }, outcome)
    expect(isEnabled(guarded(log), 'info')).to.equal(false)
    expect(isEnabled(guarded(log), 'warning')).to.equal(true)
  })

  it('lets nobody forge a line, or fill the log', () => {
    expect(taskLabel('a\n[2026-01-01] b', 'c\u202ed')).to.equal('a\\u000a[2026-01-01] b[c\\u202ed]')
    expect(shown('x'.repeat(5000))).to.have.length(1024)
    expect(taskLabel('x'.repeat(5000), 'y'.repeat(5000)).length).to.be.below(520)
  })

  it('makes a warning of what a logger throws', async () => {
    const warned = new Promise((resolve) => process.once('warning', resolve))
    const throwing = Object.fromEntries(
      LOG_LEVELS.map((level) => [
        level,
        () => {
          throw new Error('disk full')
        },
      ]),
    ) as unknown as Logger
    guarded(throwing).error('text')
    expect(await warned).to.have.property('message', 'disk full')
  })
})
