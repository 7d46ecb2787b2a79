/** Bugs that are put in on purpose, at the ports: a simulation that does not find them finds nothing. */

import type { Delivery } from '../../src/messaging/transport.ts'
import type { ResultBackend } from '../../src/results/backend.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Worker } from '../../src/worker/worker.ts'

type Publish = () => Promise<void>

export interface Mutant {
  /** Hands a delivery over in another way. */
  readonly deliver?: (delivery: Delivery, onDelivery: (delivery: Delivery) => void) => void
  readonly publish?: (publish: Publish) => Promise<void>
  readonly qos?: (prefetchCount: number) => number
  /** Nobody hears of a lost connection, or of a consumer that was cancelled. */
  readonly deaf?: boolean
  readonly backend?: (backend: ResultBackend) => ResultBackend
  readonly clock?: (clock: Clock) => Clock
  readonly worker?: (worker: Worker) => void
}

/** No bug. */
export const SOUND: Mutant = {}

/** The delivery, with some of its answers replaced. */
function answering(replace: (delivery: Delivery) => Partial<Delivery>): Mutant {
  return {
    deliver: (delivery, onDelivery) => onDelivery(Object.assign(delivery, replace(delivery))),
  }
}

function storing(store: (backend: ResultBackend) => ResultBackend['store']): Mutant {
  return { backend: (backend) => Object.assign(backend, { store: store(backend) }) }
}

function shifted(ms: number): Mutant {
  return {
    clock: (clock) => ({ now: () => clock.now() + ms, after: clock.after.bind(clock) }),
  }
}

/** Nothing goes wrong where this is awaited. */
function sureOf(work: Promise<void>): Promise<void> {
  return work.catch(() => {})
}

let arrivals = 0

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'acks before the result is stored': storing((backend) => {
    const store = backend.store.bind(backend)
    return async (...stored) => void sureOf(store(...stored))
  }),
  'acks a late task when it comes': {
    deliver: (delivery, onDelivery) => {
      void sureOf(delivery.ack())
      onDelivery(Object.assign(delivery, { ack: async () => {} }))
    },
  },
  'says RETRY when the next try is on its way': storing((backend) => {
    const store = backend.store.bind(backend)
    return async (meta, options) => {
      if (meta.status !== 'RETRY') return await store(meta, options)
      setTimeout(() => void sureOf(store(meta, options)), 5)
    }
  }),
  'stores two ends of one run': storing((backend) => {
    const store = backend.store.bind(backend)
    return async (meta, options) => {
      await store(meta, options)
      if (meta.status === 'SUCCESS') await store({ ...meta, status: 'FAILURE' }, options)
    }
  }),
  'stores no failure': storing((backend) => {
    const store = backend.store.bind(backend)
    return async (meta, options) => {
      if (meta.status !== 'FAILURE') await store(meta, options)
    }
  }),
  'acks what it should give back': answering((delivery) => ({ requeue: () => delivery.ack() })),
  'rejects what it should ack': answering((delivery) => ({ ack: () => delivery.reject() })),
  'rejects what it should give back': answering((delivery) => ({
    requeue: () => delivery.reject(),
  })),
  'gives back what it should ack': answering((delivery) => ({ ack: () => delivery.requeue() })),
  'acks twice': answering((delivery) => {
    const ack = delivery.ack.bind(delivery)
    return { ack: () => ack().then(ack) }
  }),
  'never acks': answering(() => ({ ack: async () => {} })),
  'never gives back': answering(() => ({ requeue: async () => {} })),
  'puts an eta aside for ever': answering(() => ({ postpone: async () => {} })),
  'forgets every third delivery': {
    deliver: (delivery, onDelivery) => {
      arrivals += 1
      if (arrivals % 3 > 0) onDelivery(delivery)
    },
  },
  'takes every delivery twice': {
    deliver: (delivery, onDelivery) => {
      onDelivery(delivery)
      onDelivery(delivery)
    },
  },
  'runs what is not due': shifted(3000),
  'runs what has expired': shifted(-3000),
  'runs what was revoked': {
    worker: ({ state }) => Object.assign(state.revoked, { has: () => false }),
  },
  'does not consume again after a loss': { deaf: true },
  'asks for too many messages': { qos: (count) => (count === 0 ? 0 : count + 2) },
  'takes a message for sent that is not': { publish: (publish) => sureOf(publish()) },
  'sends every message twice': { publish: (publish) => publish().then(publish) },
  'leaves a timer behind': { worker: () => void setTimeout(() => {}, 3_600_000) },
}
