#!/usr/bin/env node
/** `celeriac <command>`: what the package's `bin` starts. */

import { EX_OK } from './command.ts'
import { run } from './run.ts'

/** Milliseconds that what a user's module left open may keep a finished command alive. */
const LINGER_MS = { ok: 5000, failed: 100 } as const

process.exitCode = await run(process.argv.slice(2))
const linger = process.exitCode === EX_OK ? LINGER_MS.ok : LINGER_MS.failed
setTimeout(() => process.exit(), linger).unref()
