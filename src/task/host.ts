/** What a task needs of its app, as a port: the app itself fits. */

import type { ResultBackend } from '../results/backend.ts'
import type { ResultSource } from '../results/async-result.ts'
import type { Logger } from '../runtime/log.ts'
import type { TaskOptions, TaskSettings } from './options.ts'
import type { TaskRegistry } from './registry.ts'
import type { Sender } from './sender.ts'

/** The settings that running and calling ask for; members of the app's `conf`. */
export interface HostSettings extends TaskSettings {
  readonly taskAlwaysEager: boolean
  readonly taskEagerPropagates: boolean
  readonly taskInheritParentPriority: boolean
  readonly taskAllowErrorCbOnChordHeader: boolean
  readonly taskProtocol: number
  readonly resultExtended: boolean
  readonly resultChordJoinTimeout: number
  readonly resultChordRetryInterval: number
  readonly workerDeduplicateSuccessfulTasks: boolean
}

export interface TaskHost {
  readonly conf: HostSettings
  readonly tasks: TaskRegistry
  readonly sender: Sender
  /** Opened at the first use: ask for it only when a result is stored or read. */
  readonly backend: ResultBackend
  readonly log: Logger
  /** Where `rpc://` results go: the `reply_to` of frozen signatures. */
  readonly oid: string
  /** The options of a task with those of the settings over them. @default they are as they were given */
  annotate?(name: string, options: TaskOptions): TaskOptions
  /** Where a task of that name is sent when its caller does not say. @default where its name routes it */
  queueFor?(name: string): string | undefined
  /** What the results get that a chain makes. @default the backend alone */
  readonly resultSource?: ResultSource
}
