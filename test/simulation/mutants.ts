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

/** Stores later, and lets nobody wait for it. */
async function storeLate(backend: ResultBackend, store: () => Promise<void>): Promise<void> {
  for (let n = 0; n < 3; n += 1) await backend.fetch('nobody')
  await store()
}

let arrivals = 0

/** A bug, and how it shows. */
export interface SeededBug {
  readonly mutant: Mutant
  readonly shows: RegExp
}

const UNSTORED = /before its result was stored/
const STUCK = /does not come to its end/

export const BUGS: Readonly<Record<string, SeededBug>> = {
  'acks before the result is stored': {
    shows: UNSTORED,
    mutant: storing((backend) => {
      const store = backend.store.bind(backend)
      return async (...stored) => void sureOf(store(...stored))
    }),
  },
  'acks a late task when it comes': {
    shows: UNSTORED,
    mutant: {
      deliver: (delivery, onDelivery) => {
        void sureOf(delivery.ack())
        onDelivery(Object.assign(delivery, { ack: async () => {} }))
      },
    },
  },
  'stores no failure': {
    shows: UNSTORED,
    mutant: storing((backend) => {
      const store = backend.store.bind(backend)
      return async (meta, options) => {
        if (meta.status !== 'FAILURE') await store(meta, options)
      }
    }),
  },
  'says RETRY when the next try is on its way': {
    shows: /nowhere|became RETRY/,
    mutant: storing((backend) => {
      const store = backend.store.bind(backend)
      return async (meta, options) => {
        if (meta.status !== 'RETRY') return await store(meta, options)
        void sureOf(storeLate(backend, () => store(meta, options)))
      }
    }),
  },
  'stores two ends of one run': {
    shows: /stored two ends/,
    mutant: storing((backend) => {
      const store = backend.store.bind(backend)
      return async (meta, options) => {
        await store(meta, options)
        if (meta.status === 'SUCCESS') await store({ ...meta, status: 'FAILURE' }, options)
      }
    }),
  },
  'ends in a state of its own': {
    shows: /which should end with|became/,
    mutant: storing((backend) => {
      const store = backend.store.bind(backend)
      return (meta, options) =>
        store(meta.status === 'FAILURE' ? { ...meta, status: 'SUCCESS' } : meta, options)
    }),
  },
  'acks what it should give back': {
    shows: UNSTORED,
    mutant: answering((delivery) => ({ requeue: () => delivery.ack() })),
  },
  'acks what it should put aside': {
    shows: UNSTORED,
    mutant: answering((delivery) => ({ postpone: () => delivery.ack() })),
  },
  'rejects what it should ack': {
    shows: /rejected .*, which nobody asked for/,
    mutant: answering((delivery) => ({ ack: () => delivery.reject() })),
  },
  'rejects what it should give back': {
    shows: /rejected .*, which nobody asked for/,
    mutant: answering((delivery) => ({ requeue: () => delivery.reject() })),
  },
  'buries what it should ack': {
    shows: /buried/,
    mutant: answering((delivery) => ({ ack: () => delivery.bury() })),
  },
  'gives back what it should ack': {
    shows: /without a reason/,
    mutant: answering((delivery) => ({ ack: () => delivery.requeue() })),
  },
  'acks twice': {
    shows: /settled delivery .* twice/,
    mutant: answering((delivery) => {
      const ack = delivery.ack.bind(delivery)
      return { ack: () => ack().then(ack) }
    }),
  },
  'never acks': { shows: STUCK, mutant: answering(() => ({ ack: async () => {} })) },
  'never gives back': { shows: STUCK, mutant: answering(() => ({ requeue: async () => {} })) },
  'forgets every third delivery': {
    shows: STUCK,
    mutant: {
      deliver: (delivery, onDelivery) => {
        arrivals += 1
        if (arrivals % 3 > 0) onDelivery(delivery)
      },
    },
  },
  'takes every delivery twice': {
    shows: /more often than it was delivered/,
    mutant: {
      deliver: (delivery, onDelivery) => {
        onDelivery(delivery)
        onDelivery(delivery)
      },
    },
  },
  'runs what is not due': { shows: /before its eta/, mutant: shifted(3000) },
  'runs what has expired': { shows: /after it had expired/, mutant: shifted(-3000) },
  'runs what was revoked': {
    shows: /knew that it was revoked/,
    mutant: { worker: ({ state }) => Object.assign(state.revoked, { has: () => false }) },
  },
  'does not consume again after a loss': { shows: STUCK, mutant: { deaf: true } },
  'asks for too many messages': {
    shows: /asked for \d+ messages/,
    mutant: { qos: (count) => (count === 0 ? 0 : count + 2) },
  },
  'takes a message for sent that is not': {
    shows: /nowhere|what follows was not sent/,
    mutant: { publish: (publish) => sureOf(publish()) },
  },
  'sends every message twice': {
    shows: /more often than anybody asked for/,
    mutant: { publish: (publish) => publish().then(publish) },
  },
  'leaves a timer behind': {
    shows: /left \d+ timers behind/,
    mutant: { worker: () => void setTimeout(() => {}, 3_600_000) },
  },
}
