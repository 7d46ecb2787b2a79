/** F11 to F15: what happens to the broker, and to the way there. */

import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const run = promisify(execFile)

/** Seconds from now until a task that is sent now has ended; undefined when that takes longer than allowed. */
async function seconds(stage: Stage, allowed: number): Promise<number | undefined> {
  const begin = Date.now()
  const { lost } = await stage.ledger.settle(await stage.send('faults.early', 1), allowed)
  return lost === 0 ? (Date.now() - begin) / 1000 : undefined
}

function shown(recovery: number | undefined, allowed: number): string {
  return recovery === undefined
    ? `nothing runs within ${allowed} s`
    : `works again after ${recovery.toFixed(1)} s`
}

const LIMIT = { redis: 1.5, amqp: 3 }

const restarted: Row = {
  id: 'F12',
  fault: 'broker killed (`kill -9`) and started again, 10 confirmed tasks waiting for their eta',
  promise: 'none lost; works again within 1.5 s (Redis), 3 s (RabbitMQ) of its start',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 120,
  run: async (stage) => {
    const worker = await stage.worker()
    const ids = await stage.send('faults.early', 10, { countdown: 8 })
    await stage.server.restart()
    const recovery = await seconds(stage, 60)
    const { lost, repeated } = await stage.ledger.settle(ids, 60)
    return {
      ok: lost === 0 && repeated === 0 && worker.running && (recovery ?? 99) <= LIMIT[stage.broker],
      text: `lost ${lost} of 10, repeated ${repeated}, ${shown(recovery, 60)}`,
    }
  },
}

const ended: Row = {
  id: 'F11',
  fault: 'broker stopped in order, and started again 3 s later',
  promise: 'works again within 1.5 s (Redis), 3 s (RabbitMQ) of its start',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 120,
  run: async (stage) => {
    const worker = await stage.worker()
    await stage.halt()
    await sleep(3000)
    await stage.resume()
    const recovery = await seconds(stage, 60)
    return {
      ok: worker.running && (recovery ?? 99) <= LIMIT[stage.broker],
      text: shown(recovery, 60),
    }
  },
}

const silent: Row = {
  id: 'F16',
  fault: 'a firewall drops every packet between worker and broker for 20 s',
  promise: 'works again within 10 s of its end',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 150,
  run: async (stage) => {
    const worker = await stage.worker({ conf: { broker_heartbeat: 5 } })
    const port = String(stage.proxy.port)
    const rules = [
      ['INPUT', '-i', 'lo', '-p', 'tcp', '--dport', port, '-j', 'DROP'],
      ['INPUT', '-i', 'lo', '-p', 'tcp', '--sport', port, '-j', 'DROP'],
    ]
    for (const rule of rules) await run('iptables', ['-I', ...rule])
    try {
      await sleep(20_000)
    } finally {
      for (const rule of rules) await run('iptables', ['-D', ...rule])
    }
    const recovery = await seconds(stage, 60)
    return { ok: worker.running && (recovery ?? 99) <= 10, text: shown(recovery, 60) }
  },
}

const reset: Row = {
  id: 'F14',
  fault: "every one of the worker's connections reset, 10 times, under load",
  promise: 'none lost; works again within 3 s',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 120,
  run: async (stage) => {
    const worker = await stage.worker()
    const ids: string[] = []
    for (let round = 0; round < 10; round += 1) {
      ids.push(...(await stage.send('faults.late', 10, { args: [0.05] })))
      await stage.proxy.cut()
      await stage.ledger.settle(ids.slice(-1), 30)
    }
    const recovery = await seconds(stage, 30)
    const { lost, repeated } = await stage.ledger.settle(ids, 30)
    return {
      ok: lost === 0 && worker.running && (recovery ?? 99) <= 3,
      text: `lost ${lost} of 100, repeated ${repeated}, ${shown(recovery, 30)}`,
    }
  },
}

const halfOpen: Row = {
  id: 'F15',
  fault: 'half-open connections: nothing arrives any more, nobody hangs up',
  promise: 'works again within 30 s (RabbitMQ: twice the heartbeat, here 5 s)',
  brokers: ['redis', 'amqp'],
  python: true,
  seconds: 200,
  run: async (stage) => {
    const worker = await stage.worker({ conf: { broker_heartbeat: 5 } })
    stage.proxy.blackhole()
    const recovery = await seconds(stage, 60)
    return {
      ok: worker.running && (recovery ?? 99) <= 30,
      text: shown(recovery, 60),
    }
  },
}

export const CONNECTIONS: readonly Row[] = [ended, restarted, reset, halfOpen, silent]
