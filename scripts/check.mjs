/** `npm run check`: types, lint with the import rules, format, dead code, and the package's doors. */

import { installPackages, run } from './setup.mjs'

const STEPS = [
  ['tsc', ['-p', 'tsconfig.json']],
  ['tsc', ['-p', 'test/tsconfig.json']],
  ['oxlint', ['--type-aware', '--deny-warnings']],
  ['prettier', ['--check', '--log-level', 'warn', '.']],
  ['knip', []],
  ['publint', ['--strict']],
]

installPackages()
for (const [command, args] of STEPS) {
  console.log(`> ${command} ${args.join(' ')}`)
  run('npx', ['--no-install', command, ...args])
}
