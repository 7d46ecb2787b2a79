/** `npm run bench`: celeriac, Python's Celery and a bare loop on the same servers, in one run, as ratios. */

import { installPackages, installServices, run } from './setup.mjs'

const args = process.argv.slice(2)
installPackages()
installServices()
run('npx', ['--no-install', 'tsc', '-p', 'tsconfig.json'])
// longer than a test may take: on a busy machine each round takes its time
run(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...args], { timeout: 2_400_000 })
if (args.includes('--write'))
  run('npx', ['--no-install', 'prettier', '--write', 'docs/performance.md'])
