/** The handle to a call by the name of its task, or from its plain data. */

import { signature as makeSignature } from '../../protocol/signature.ts'
import type { AsyncResult } from '../results/async-result.ts'
import type { TaskHost } from './host.ts'
import type { SignatureLike } from './sender.ts'
import { Signature, type SignatureOptions } from './signature.ts'
import { dictOf, wireOf } from './wire.ts'

/** A call of the task of that name. */
export function signatureOf<In extends readonly unknown[], R>(
  host: TaskHost,
  name: string,
  args: readonly unknown[] = [],
  { kwargs, immutable = false, ...options }: SignatureOptions = {},
): Signature<In, R> {
  const rest = { options: wireOf(options), immutable }
  return new Signature<In, R>(host, makeSignature(name, args, kwargs, rest))
}

/** `app.signature`. */
export interface SignatureMaker {
  /** A call by name that is not yet made. */
  <R = unknown>(
    name: string,
    args?: readonly unknown[],
    options?: SignatureOptions,
  ): Signature<readonly unknown[], R>
  /** A call from its plain data, such as a dict of Celery's. @throws InvalidTaskError */
  <R = unknown, Res = AsyncResult<R>>(dict: SignatureLike): Signature<readonly unknown[], R, Res>
}

/** @see celery 5.6, canvas.py, `signature` */
export function signatureMaker(host: TaskHost): SignatureMaker {
  const make = (
    task: string | SignatureLike,
    args?: readonly unknown[],
    options?: SignatureOptions,
  ): Signature =>
    typeof task === 'string'
      ? signatureOf(host, task, args, options)
      : new Signature(host, dictOf(task))
  return make
}
