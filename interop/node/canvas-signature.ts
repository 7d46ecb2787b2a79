/** Signatures as the plain data that Celery sends: what tasks of the suite send on, replace by and give back. */

import { Celery, type SignatureLike } from '../../src/index.ts'

/** A signature as it stands on the wire. */
export type Sig = Exclude<SignatureLike, { toJSON(): unknown }>

/** Never connected: signatures know their app only to send themselves. */
const app = new Celery('canvas-signature')

/** What the types of Python's classes are on the wire. */
type Type = 'chain' | 'group' | 'chord'

function make(type: Type, kwargs: Readonly<Record<string, unknown>>): Sig {
  return { ...app.signature(`celery.${type}`).toJSON(), kwargs, subtask_type: type }
}

export function chainOf(...tasks: readonly Sig[]): Sig {
  return make('chain', { tasks })
}

export function groupOf(...tasks: readonly Sig[]): Sig {
  return make('group', { tasks })
}

export function chordOf(header: Sig | readonly Sig[], body: Sig): Sig {
  return make('chord', { kwargs: {}, header, body })
}

/** One more stamp, as a visitor leaves it. */
export function stamped(signature: Sig, stamps: Readonly<Record<string, unknown>>): Sig {
  const { stamped_headers: names = [], ...options } = signature.options
  const all = [...new Set([...(names as readonly string[]), ...Object.keys(stamps)])]
  return { ...signature, options: { ...options, ...stamps, stamped_headers: all } }
}
