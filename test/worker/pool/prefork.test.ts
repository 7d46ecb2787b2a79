/** The pool of child processes. */

import { poolContract, STAGE_SIZE } from '../../contracts/pool.ts'
import { childStage } from './stage.ts'

poolContract({ name: 'prefork', size: STAGE_SIZE, kills: true, open: () => childStage('prefork') })
