/** `celeriac call NAME`: sends a task by its name, and prints the id. */

import type { Command } from 'commander'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import { isPlainObject, type PlainObject } from '../../../protocol/plain.ts'
import { parseIsoformat } from '../../../protocol/python/datetime.ts'
import { loads } from '../../../protocol/serialization/json.ts'
import { addOption, EX_OK, float, anything, type Action, type Reader } from '../command.ts'

export interface CallOptions {
  readonly args?: readonly unknown[]
  readonly kwargs?: PlainObject
  readonly eta?: Date
  readonly countdown?: number
  readonly expires?: number | Date
  readonly serializer?: string
  readonly queue?: string
  readonly exchange?: string
  readonly routingKey?: string
}

/** @see celery 5.6, bin/call.py */
export function defineCall(command: Command): void {
  command.description('Call a task by name.').usage('[OPTIONS] NAME').argument('<name>')
  addOption(command, '-a, --args <json array>', 'Positional arguments.', jsonArray)
  addOption(command, '-k, --kwargs <json object>', 'Keyword arguments.', jsonObject)
  addOption(command, '--eta <iso-8601>', 'scheduled time.', isoTime)
  addOption(command, '--countdown <float>', 'eta in seconds from now.', float)
  addOption(command, '--expires <iso-8601 or float>', 'expiry time.', isoTimeOrSeconds)
  addOption(command, '--serializer <text>', 'task serializer.', anything)
  addOption(command, '--queue <text>', 'custom queue name.', anything)
  addOption(command, '--exchange <text>', 'custom exchange name.', anything)
  addOption(command, '--routing-key <text>', 'custom routing key.', anything)
}

export const runCall: Action<CallOptions> = async ({ app, output }, options, [name = '']) => {
  const { args = [], ...call } = options
  const result = await app.sendTask(name, args, { serializer: 'json', ...call })
  output.echo(result.id)
  return EX_OK
}

const jsonArray: Reader<readonly unknown[]> = (value) => {
  const array = json(value)
  if (!Array.isArray(array)) throw new Error(`${value} was not an array`)
  return array
}

const jsonObject: Reader<PlainObject> = (value) => {
  const object = json(value)
  if (!isPlainObject(object)) throw new Error(`${value} was not an object`)
  return object
}

/** JavaScript's own parser tells best what is wrong; ours keeps large integers. */
function json(value: string): unknown {
  JSON.parse(value)
  return loads(value, DEFAULT_LIMITS)
}

const isoTime: Reader<Date> = (value) => {
  try {
    return parseIsoformat(value)
  } catch {
    throw new Error(`'${value}' is not a time in ISO 8601.`)
  }
}

const isoTimeOrSeconds: Reader<number | Date> = (value) => {
  const seconds = value.trim() === '' ? Number.NaN : Number(value)
  return Number.isNaN(seconds) ? isoTime(value) : seconds
}
