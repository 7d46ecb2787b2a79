/** Signatures that a task gives: the next can build them again, and all that is in them. */

import { chain } from '../../../src/index.ts'
import { onEveryCanvasStage, TIMEOUT } from './stage.ts'

const OUTER = ['chain', 'group', 'chord']
const INNER = ['chain', 'group', 'chord']

onEveryCanvasStage(
  'a signature that a task gives',
  OUTER.flatMap((outer) =>
    INNER.map((inner) => ({
      title: `stays a ${inner} in a ${outer} (test_rebuild_nested_${outer}_${inner})`,
      run: async ({ app, tasks }) => {
        const nested = app.signature(
          `t.integration.tasks.return_nested_signature_${outer}_${inner}`,
        )
        const result = await chain(nested, tasks.rebuild_signature.s()).delay()
        await result.get({ timeout: TIMEOUT })
      },
    })),
  ),
)
