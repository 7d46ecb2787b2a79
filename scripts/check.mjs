/** `npm run check`: types, lint with the import rules, format, dead code, the package's doors, the page of settings. */

import { installPackages, run } from './setup.mjs'

const STEPS = [
  'tsc -p tsconfig.json',
  'tsc -p test/tsconfig.json',
  'oxlint --type-aware --deny-warnings',
  'prettier --check --log-level warn .',
  'knip',
  'publint --strict',
  'tsx scripts/settings.ts --check',
]

installPackages()
for (const step of STEPS) {
  console.log(`> ${step}`)
  run('npx', ['--no-install', ...step.split(' ')])
}
