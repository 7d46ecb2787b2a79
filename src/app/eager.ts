/** Carries a call out here and now instead of sending it: `taskAlwaysEager`. */

import type { Codec } from '../../protocol/codec.ts'
import type { Settings } from '../conf/settings.ts'
import { ImproperlyConfigured } from '../errors.ts'
import type { AsyncResult } from '../results/async-result.ts'
import { applySignature, applyTask } from '../task/eager.ts'
import type { TaskHost } from '../task/host.ts'
import type { CallOptions, Sender } from '../task/sender.ts'
import { checkCall } from './call.ts'

/**
 * Arguments go through the serializer and back, so that a test sees what a worker would.
 *
 * @see celery 5.6, app/task.py, `Task.apply_async`
 */
class EagerSender implements Sender {
  readonly #host: TaskHost
  readonly #conf: Settings
  readonly #codec: () => Codec

  constructor(host: TaskHost, conf: Settings, codec: () => Codec) {
    this.#host = host
    this.#conf = conf
    this.#codec = codec
  }

  async send<R>(
    name: string,
    args: readonly unknown[],
    options: CallOptions,
  ): Promise<AsyncResult<R>> {
    checkCall(name, args, options)
    const [given, kwargs] = this.#travel(args, options)
    return applyTask<R>(this.#host, name, given, { ...options, kwargs })
  }

  #travel(
    args: readonly unknown[],
    { kwargs = {}, serializer = this.#conf.taskSerializer }: CallOptions,
  ): readonly [readonly unknown[], Readonly<Record<string, unknown>>] {
    const { serializers, limits } = this.#codec()
    const content = serializers.dumps([args, kwargs], serializer)
    const back = serializers.loads(content, new Set([content.contentType]), limits)
    if (!Array.isArray(back) || !Array.isArray(back[0])) {
      throw new ImproperlyConfigured(
        `serializer '${serializer}' does not give back what it is given`,
      )
    }
    return [back[0], back[1] as Readonly<Record<string, unknown>>]
  }
}

/** Sends, or runs here and now while `taskAlwaysEager` is set. */
export function senderOf(
  app: TaskHost & { readonly conf: Settings },
  codec: () => Codec,
  publisher: Sender,
): Sender {
  const eager = new EagerSender(app, app.conf, codec)
  return {
    send: (name, args, options) =>
      (app.conf.taskAlwaysEager ? eager : publisher).send(name, args, options),
    apply: (canvas, args, options) =>
      app.conf.taskAlwaysEager ? applySignature(app, canvas, args, options) : undefined,
  }
}
