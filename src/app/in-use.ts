/** What settings are about: once that is in use, a change would have no effect. */

/** What an app opens when it is needed, and keeps. */
export type Part = 'broker' | 'backend' | 'codec' | 'control'

const PARTS: readonly (readonly [pattern: RegExp, part: Part])[] = [
  [/^broker_/, 'broker'],
  [/^(result_|redis_|database_|cache_)/, 'backend'],
  [/^limits$/, 'codec'],
  [/^control_/, 'control'],
]

export function partOf(setting: string): Part | undefined {
  return PARTS.find(([pattern]) => pattern.test(setting))?.[1]
}

/** Whether queues are made of it. */
export function isOfQueues(setting: string): boolean {
  return /^task_(queues|queue_max_priority|default_|create_missing_)/.test(setting)
}
