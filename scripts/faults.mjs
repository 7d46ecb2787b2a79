/** `npm run faults`: every fault of docs/reliability.md on private servers; `-- --write` puts the table into the page. */

import { installPackages, installServices, run } from './setup.mjs'

const args = process.argv.slice(2)
installPackages()
installServices({ python: true })
run(process.execPath, ['--import', 'tsx', 'faults/main.ts', ...args], { timeout: 7_200_000 })
if (args.includes('--write'))
  run('npx', ['--no-install', 'prettier', '--write', 'docs/reliability.md'])
