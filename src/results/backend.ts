/** The port to a result backend: store what came of a task, read it, and hear of it as it changes. */

import type { CeleryError } from '../../protocol/errors.ts'
import type { ChordPart, ResultMeta, ResultTuple } from '../../protocol/result.ts'

/** What a backend may want to know of the request, next to the meta. */
export interface StoreOptions {
  /** Where `rpc://` sends it: `reply_to` and `correlation_id` of the request. */
  readonly replyTo?: string
  readonly correlationId?: string
  /** As they stand in the message's headers: `django-db` stores them in place of the arguments. */
  readonly argsrepr?: string
  readonly kwargsrepr?: string
  /** The entry of django-celery-beat that sent it: a header. */
  readonly periodicTaskName?: string
}

/** Stops a subscription; twice is fine. */
export type Unsubscribe = () => void

/** What a backend can do. */
export interface BackendCapabilities {
  /** Whether a result can be read again, by anybody who has the id (not so on `rpc://`). */
  readonly persistent: boolean
}

/** A part of a chord that has ended, and where it stands in the header. */
export interface ReturnedPart extends ChordPart {
  readonly groupId: string
  /** Null goes behind all others. */
  readonly groupIndex: number | null
  /**
   * Tells the runs apart of a message that came twice. Undefined for what takes over from another run of
   * its task: its message came again, or its process was killed.
   */
  readonly run?: string | undefined
}

/** What a backend keeps of groups: their members. */
export interface GroupStore {
  /** Keeps the members of a group. */
  save(group: ResultTuple): Promise<void>
  /** Undefined when nobody saved it. */
  restore(groupId: string): Promise<ResultTuple | undefined>
  forget(groupId: string): Promise<void>
}

/** A chord before its first part is sent. */
export interface OpenedChord {
  /** The group of its header, with all members. */
  readonly header: ResultTuple
  /** How many parts end before its body runs. */
  readonly size: number
}

/** Counts which parts of a chord have ended. */
export interface ChordStore {
  /** Told before the first part is sent; keeps what it needs to count them, and to join them. */
  open(chord: OpenedChord): Promise<void>
  /** So many more parts, while it runs. */
  addToChord(groupId: string, parts: number): Promise<void>
  /**
   * Counts a part: a task that ends twice counts once, the last time. When all have ended, it gives
   * them all, in the order of the header, to this caller alone: to another only when this one
   * has not said in time that the chord is over, and at once to what takes over from this one.
   */
  onChordPartReturn(part: ReturnedPart): Promise<readonly ChordPart[] | undefined>
  /** Its body is sent, or `failed`: what was counted is deleted. The parts of a chord that failed may stay. */
  endChord(groupId: string, failed?: boolean): Promise<void>
}

export interface ResultBackend {
  readonly capabilities: BackendCapabilities
  /** @throws NotSupported, in the words of Celery, where nothing is kept (`rpc://`, `disabled://`) */
  readonly groups: GroupStore
  /**
   * There when it counts the parts of a chord by itself. Where there are only `groups`, the task
   * `celery.chord_unlock` looks again and again whether all parts are ready.
   */
  readonly chords?: ChordStore
  /** The address without its password: for the banner and errors. */
  readonly address: string
  /** Opens what it needs; before the first store or subscription it is called by them. */
  start(): Promise<void>
  /** Flushes what was stored and closes; within a deadline of its own. */
  close(): Promise<void>
  /**
   * Keeps a result, and tells those who wait. A stored SUCCESS is not overwritten.
   *
   * @throws BackendError when it could not be kept in spite of retries
   */
  store(meta: ResultMeta, options?: StoreOptions): Promise<void>
  /** What is known of a task; `{ status: 'PENDING' }` of one that nobody stored. */
  fetch(taskId: string): Promise<ResultMeta>
  fetchMany(taskIds: readonly string[]): Promise<readonly ResultMeta[]>
  /**
   * Hears every meta of a task that is stored from now on, and the one that is stored already. After
   * a lost connection what was missed is read again. Pushed, not polled. Neither function is called
   * before `subscribe` has returned. `onEnd` is called at most once, when nothing more can come: the
   * backend was closed, cannot be reached in spite of retries, or what it holds cannot be read.
   *
   * @throws ResultDisabledError when there is no backend
   */
  subscribe(
    taskId: string,
    onMeta: (meta: ResultMeta) => void,
    onEnd?: (reason: CeleryError) => void,
  ): Unsubscribe
  /**
   * Told of each task before it is sent, so that a backend can listen before the result may come
   * (`rpc://` declares its queue here). Cheap when there is nothing to do.
   */
  onTaskCall(taskId: string, options?: { readonly signal?: AbortSignal }): Promise<void>
  /** Deletes what is stored of a task. */
  forget(taskId: string): Promise<void>
  /**
   * Deletes what is older than `result_expires`: the task `celery.backend_cleanup`. Missing where
   * what is stored expires by itself.
   */
  cleanup?(): Promise<void>
}
