/** The primitives as tasks: who sends one as a message, as older releases did, has a worker send what is in it. */

import { readResultTuple } from '../../../protocol/result.ts'
import { readSignature, type SignatureDict } from '../../../protocol/signature.ts'
import { chordOf } from '../../canvas/primitives.ts'
import { sendSignature, startSignature } from '../dispatch.ts'
import type { Run } from '../run.ts'
import { argumentsOf, listOfAny } from './arguments.ts'

/** @see celery 5.6, app/builtins.py */
export const CANVAS = {
  /** Sends tasks whose ids are given already, as members of the group; gives the result that it was given. */
  group: async (run: Run): Promise<unknown> => {
    const given = argumentsOf(run, ['tasks', 'result', 'group_id', 'partial_args'])
    const tasks = listOfAny(run, 'tasks', given.tasks).map((task) => readSignature(task, 'tasks'))
    const args = listOfAny(run, 'partial_args', given.partial_args)
    const result = readResultTuple(given.result)
    const options = { group_id: given.group_id, add_to_parent: false }
    await Promise.all(tasks.map((task) => sendSignature(run.host, task, { args, options })))
    if (run.request.kwargs['add_to_parent'] !== false) run.addTrail(result)
    return result
  },

  /** The type is Python's, so that its clients see what Celery raises. */
  chain: (): never => {
    throw Object.assign(new Error('chain is not a real task'), {
      excType: 'NotImplementedError',
      excModule: 'builtins',
    })
  },

  /** Gives the result of the body. */
  chord: (run: Run): Promise<unknown> => {
    const { header, body } = argumentsOf(run, ['header', 'body']) as Readonly<
      Record<'header' | 'body', SignatureDict>
    >
    const { partial_args: args = run.request.args[2] ?? [] } = run.request.kwargs
    const chord = readSignature(chordOf(header, body), run.name)
    return startSignature(run.host, chord, { args: listOfAny(run, 'partial_args', args) })
  },
} as const
