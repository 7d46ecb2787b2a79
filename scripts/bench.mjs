/** `npm run bench`: celeriac, Python's Celery and a bare loop on the same servers, in one run, as ratios. */

import { installPackages, installServices, run } from './setup.mjs'

const args = process.argv.slice(2)
installPackages()
installServices()
run('npx', ['--no-install', 'tsc', '-p', 'tsconfig.json'])
run(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...args])
if (args.includes('--write'))
  run('npx', ['--no-install', 'prettier', '--write', 'docs/performance.md'])
