/** One round of the workflows: a long chain and a wide chord, from either client through either worker. */

import { chain, chord } from 'celeriac'
import { SIZE_TASK, TASK, type Kind, type Stage } from './stage.ts'

/** Who sends, and who runs. */
export type Language = 'celeriac' | 'python'

export const WORKFLOWS = ['chord', 'chain'] as const
export type Workflow = (typeof WORKFLOWS)[number]

export interface Run {
  readonly workflow: Workflow
  readonly client: Language
  readonly worker: Language
  /** From the first message until the client has the last result; null when it never had it. */
  readonly seconds: number | null
}

export interface Sizes {
  /** Tasks of the chord's header. */
  readonly chord: number
  /** Tasks of the chain. */
  readonly chain: number
}

const LANGUAGES: readonly Language[] = ['celeriac', 'python']
/** Seconds: it comes back within this on any machine, or something is wrong. */
const LIMIT = 60

/** Each workflow by each client through each worker, which is ready and has run one small of its kind before. */
export async function workflowsOnce(stage: Stage, sizes: Sizes): Promise<readonly Run[]> {
  const runs: Run[] = []
  for (const worker of LANGUAGES) {
    await stage.clear()
    const process = stage.worker(worker satisfies Kind)
    try {
      for (const client of LANGUAGES) {
        for (const workflow of WORKFLOWS) {
          const seconds = await CLIENTS[client](stage, workflow, sizes[workflow])
          runs.push({ workflow, client, worker, seconds })
        }
      }
    } finally {
      await process.kill()
    }
  }
  return runs
}

const CLIENTS: Readonly<
  Record<Language, (stage: Stage, workflow: Workflow, tasks: number) => Promise<number | null>>
> = {
  celeriac: fromHere,
  python: async (stage, workflow, tasks) => (await stage.python(workflow, tasks)) as number | null,
}

async function fromHere(stage: Stage, workflow: Workflow, tasks: number): Promise<number> {
  await using app = stage.app()
  const task = (...args: readonly unknown[]) => app.signature(TASK, args)
  const send = async (count: number): Promise<void> => {
    const numbers = Array.from({ length: count }, (_, n) => n)
    const last =
      workflow === 'chord'
        ? await chord(
            numbers.map((n) => task(n)),
            app.signature(SIZE_TASK),
          ).applyAsync()
        : await chain(numbers.map((n) => (n === 0 ? task(n) : task()))).applyAsync()
    const value = await last.get({ timeout: LIMIT })
    const expected = workflow === 'chord' ? count : 0
    if (value !== expected) throw new Error(`the ${workflow} gave ${String(value)}`)
  }
  await send(5)
  const begin = performance.now()
  await send(tasks)
  return (performance.now() - begin) / 1000
}
