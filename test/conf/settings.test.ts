/** The table of settings against Celery's own, and against what the sources read. */

import { expect } from 'chai'
import { readdirSync, readFileSync } from 'node:fs'
import { oldName, settingName } from '../../src/conf/resolve.ts'
import { FOREIGN_PREFIXES, SETTINGS, camelCase, snakeCase } from '../../src/conf/settings.ts'
import type { Setting, SettingsInput } from '../../src/conf/settings.ts'

type Row = readonly [name: string, old: string, value: unknown]

/** Taken from celery 5.6.2, app/defaults.py, `NAMESPACES`: name, old name, default (timedelta in seconds). */
const celery = JSON.parse(
  readFileSync(new URL('celery-5.6.2-settings.json', import.meta.url), 'utf8'),
) as readonly Row[]

const TABLE: Readonly<Record<string, Setting>> = SETTINGS

/** Where our default is another on purpose, or is the same in other words. */
const OTHERWISE: ReadonlySet<string> = new Set([
  'broker_failover_strategy', // null is kombu's round-robin
  'task_publish_retry_policy', // in camelCase
  'task_reject_on_worker_lost', // null is false
  'worker_pool', // many at a time in one process is what Node is good at
])

describe('the table of settings', () => {
  it('spells each name the same both ways round', () => {
    for (const name of Object.keys(SETTINGS)) expect(snakeCase(camelCase(name))).to.equal(name)
  })

  it('types the constructor', () => {
    const input: SettingsInput = {
      brokerUrl: ['amqp://a', 'amqp://b'],
      taskRoutes: { 'ml.*': { queue: 'gpu' } },
      resultExpires: { hours: 1 },
      taskQueues: [{ name: 'math' }],
      // @ts-expect-error -- unknown settings are refused by the compiler too
      taskAckLate: true,
    }
    expect(input.brokerUrl).to.have.length(2)
  })

  it('has every setting of Celery 5.6.2 with its old name and its default', () => {
    for (const [name, old, value] of celery) {
      if (FOREIGN_PREFIXES.some((prefix) => name.startsWith(prefix))) continue
      expect(settingName(name), name).to.equal(name)
      expect(settingName(old), old).to.equal(name)
      expect(oldName(settingName(name) ?? 'imports'), name).to.equal(old)
      if (OTHERWISE.has(name)) continue
      expect(TABLE[name]?.default, name).to.deep.equal(value)
    }
    expect(celery).to.have.length(194)
  })

  it('says of each setting whether anything reads it', () => {
    const root = new URL('../../src/', import.meta.url)
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
    const code = files
      .filter((file) => file.endsWith('.ts') && !file.startsWith('conf'))
      .map((file) => readFileSync(new URL(file, root), 'utf8'))
      .join('\n')
    for (const [name, { status }] of Object.entries(TABLE)) {
      // Tasks complete their options with it, for the worker that will follow it.
      if (name === 'task_default_rate_limit') continue
      const isRead = new RegExp(`\\b${camelCase(name)}\\b`).test(code)
      expect(isRead ? 'honoured' : 'without effect', name).to.equal(
        status === undefined ? 'honoured' : 'without effect',
      )
    }
  })
})
