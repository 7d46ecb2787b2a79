/** What a task that fails calls: its errbacks change nothing of its own error. */

import { expect } from 'chai'
import type { CallOptions } from '../../../src/index.ts'
import { app } from '../../node/canvas-tasks.ts'
import { fails, onEveryCanvasStage } from './stage.ts'

const RETRYING = { kwargs: { countdown: null } }

onEveryCanvasStage('a task that fails', [
  {
    title: 'keeps its error when its errback retries (test_link_error_callback_retries)',
    run: async ({ tasks: { fail, retry_once } }) => {
      const result = await fail.applyAsync(['test'], {
        linkError: retry_once.signature([], RETRYING),
      })
      await fails(result, 'ExpectedException', /Task expected to fail.*test/)
    },
  },
  {
    title: 'by its name alone keeps its error (test_link_error_using_signature)',
    run: async ({ app: client }) => {
      const fail = client.signature('t.integration.tasks.fail', ['test'])
      fail.linkError(client.signature('t.integration.tasks.return_exception'))
      await fails(await fail.delay(), 'ExpectedException', /Task expected to fail.*test/)
    },
  },
])

describe('a task that fails here and now', () => {
  const expected = { excType: 'ExpectedException', args: ['Task expected to fail', 'test'] }
  const named = (name: string, args?: readonly unknown[], options?: CallOptions) =>
    app.signature(`t.integration.tasks.${name}`, args, options)

  it('keeps its error when it has an errback (test_link_error_eager, test_link_error)', async () => {
    const result = await named('fail', ['test']).apply([], { linkError: named('return_exception') })
    expect(await result.get({ propagate: false })).to.deep.include(expected)
  })

  it('keeps its error when its errback retries (test_link_error_callback_error_callback_retries_eager)', async () => {
    const linkError = named('retry_once', [], RETRYING)
    const result = await named('fail', ['test']).apply([], { linkError })
    expect(await result.get({ propagate: false })).to.deep.include(expected)
  })

  it('has the errback that its signature has (test_link_error_using_signature_eager)', async () => {
    const fail = named('fail', ['test'])
    fail.linkError(named('return_exception'))
    expect(await (await fail.apply()).get({ propagate: false })).to.deep.include(expected)
  })
})
