/** Runs one fault once, on a stage of its own, within its time. */

import { within } from '../test/support/until.ts'
import type { Broker, Finding, Row } from './row.ts'
import { Stage, type Kind } from './stage.ts'

export interface Result {
  readonly row: Row
  readonly broker: Broker
  readonly kind: Kind
  readonly finding: Finding
}

export async function runRow(
  row: Row,
  broker: Broker,
  kind: Kind,
  slack: number = 1,
): Promise<Result> {
  const stage = await Stage.open(broker, kind, slack)
  try {
    const finding = await within(row.seconds, row.run(stage), row.id).catch(broken)
    return { row, broker, kind, finding }
  } finally {
    await stage.close()
  }
}

function broken(error: unknown): Finding {
  return { ok: false, text: error instanceof Error ? error.message : String(error) }
}
