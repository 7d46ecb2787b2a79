/** What a worker needs of its app, as a port: the app itself fits. */

import type { Codec } from '../../protocol/codec.ts'
import type { SettingName, Settings } from '../conf/settings.ts'
import type { Mailbox } from '../control/mailbox.ts'
import type { Connection } from '../messaging/connection.ts'
import type { Queue } from '../messaging/entity.ts'
import type { ResultBackend } from '../results/backend.ts'
import type { Logger } from '../runtime/log.ts'
import type { Marker } from '../task/marker.ts'
import type { TaskRegistry } from '../task/registry.ts'
import type { Tracer } from '../task/trace.ts'

export interface WorkerHost {
  readonly conf: Settings
  /** The names of the settings that are not at their default. */
  configured(): readonly SettingName[]
  readonly tasks: TaskRegistry
  readonly codec: Codec
  readonly log: Logger
  readonly queues: {
    /** What is consumed when nothing is selected. */
    readonly consumeFrom: readonly Queue[]
    /** Consumes these only. @throws QueueNotFound */
    select(names: readonly string[]): readonly Queue[]
    /** Consumes all but these. */
    deselect(names: readonly string[]): readonly Queue[]
  }
  /** Opened at the first use. */
  readonly backend: ResultBackend
  /** Where remote commands come from. */
  readonly control: { readonly mailbox: Mailbox }
  /** A new one, which the worker closes. */
  connectionForRead(): Connection
  tracer(hostname: string): Tracer
  marker(hostname: string): Marker
}
