/** What RabbitMQ and amqplib report, as errors of ours. */

import {
  type CeleryError,
  ImproperlyConfigured,
  OperationalError,
  QueueNotFound,
} from '../../errors.ts'

interface BrokerError {
  readonly code?: unknown
  readonly message: string
}

const ADVICE: Readonly<Record<number, string>> = {
  403: 'give the user of the broker URL the permission',
  405: 'the queue belongs to another connection alone',
  406: 'declare it with the arguments that it was made with, or delete it first',
  503: 'the declaration is not valid',
}

/** What closes a channel, whatever is asked of it at that moment. @see https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout */
const ACK_TIMEOUT = /delivery acknowledgement/

/** The error of an operation that the broker refused, in the broker's own words. */
export function refusal(error: unknown, what: string): CeleryError {
  const { code, message } = error as BrokerError
  if (code === 404 && /no queue/i.test(message))
    return new QueueNotFound(`${what}: ${reply(message)}`)
  if (code === 404) return new ImproperlyConfigured(`${what}: ${reply(message)}`, { cause: error })
  if (ACK_TIMEOUT.test(message)) return new OperationalError(reply(message), { cause: error })
  const advice = typeof code === 'number' ? ADVICE[code] : undefined
  if (advice !== undefined) {
    return new ImproperlyConfigured(`${what}: ${reply(message)}: ${advice}`, { cause: error })
  }
  return new OperationalError(`${what}: ${reply(message)}`, { cause: error })
}

/** `PRECONDITION_FAILED - inequivalent arg …` of amqplib's longer text. */
function reply(message: string): string {
  return /with message "(.*)"$/s.exec(message)?.[1] ?? message
}

const NO_EXCHANGE = /no exchange '(.*)' in vhost/s

/** The exchange that a publish named and that is not there: the broker closes the channel for it. */
export function absentExchange(error: unknown): string | undefined {
  const { code, message } = error as BrokerError
  return code === 404 ? NO_EXCHANGE.exec(message)?.[1] : undefined
}
