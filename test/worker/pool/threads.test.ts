/** The pool of worker threads. */

import { poolContract, STAGE_SIZE } from '../../contracts/pool.ts'
import { childStage } from './stage.ts'

poolContract({ name: 'threads', size: STAGE_SIZE, kills: true, open: () => childStage('threads') })
