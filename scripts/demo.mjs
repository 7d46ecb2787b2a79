/** `npm run demo`: installs, builds, and shows the main job on the embedded broker: no server needed. */

import { join } from 'node:path'
import { installPackages, root, run } from './setup.mjs'

installPackages()
run('npx', ['--no-install', 'tsc', '-p', 'tsconfig.json'])
run(process.execPath, ['--import', 'tsx', join(root, 'examples', 'demo.ts')], { timeout: 60_000 })
