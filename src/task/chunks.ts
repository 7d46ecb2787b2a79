/** Many calls of one task, so many to a message: Python's `task.chunks(it, n)`. */

import { signature as makeSignature, type SignatureDict } from '../../protocol/signature.ts'
import { chunksOf } from '../canvas/chunks.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { GroupResult } from '../results/group-result.ts'
import type { ApplyOptions } from './eager.ts'
import type { Applied, Group } from './fit.ts'
import type { TaskHost } from './host.ts'
import type { CallOptions } from './sender.ts'
import { Signature } from './signature.ts'

/**
 * Sent from here it is a group of `celery.starmap`; within other signatures it is a task that sends
 * that group.
 *
 * @see celery 5.6, canvas.py, `chunks`
 */
export class Chunks<R> extends Signature<readonly unknown[], R[][], GroupResult<R[][]>> {
  readonly #group: Group<readonly unknown[], R[][]>

  /** @throws ImproperlyConfigured for a size that is none */
  constructor(
    host: TaskHost,
    task: SignatureDict,
    items: Iterable<readonly unknown[]>,
    size: number,
  ) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ImproperlyConfigured(`a chunk has 1 item or more, not ${size}`)
    }
    const it = [...items]
    super(host, makeSignature('celery.chunks', [], { task, it, n: size }, { immutable: true }))
    const group = new Signature(host, chunksOf(task, it, size))
    this.#group = group as unknown as Group<readonly unknown[], R[][]>
  }

  /** The group that it is. */
  group(): Group<readonly unknown[], R[][]> {
    return this.#group.clone() as Group<readonly unknown[], R[][]>
  }

  override applyAsync(
    _args?: readonly unknown[],
    options?: CallOptions,
  ): Promise<GroupResult<R[][]>> {
    return this.#group.applyAsync([], options)
  }

  override apply(
    _args?: readonly unknown[],
    options?: ApplyOptions,
  ): Promise<Applied<R[][], GroupResult<R[][]>>> {
    return this.#group.apply([], options)
  }
}
