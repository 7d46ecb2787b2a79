/**
 * Runs Celery's own integration tests, a Python client, against our worker: `npm run interop:celery`.
 *
 *     CELERIAC_TEST_CELERY_CHECKOUT=~/celery npm run interop:celery -- --broker rabbitmq --pool prefork -k chord
 *
 * What is not ours goes to pytest, which needs python3-pytest and python3-pytest-timeout.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Process } from '../test/support/process.ts'
import { startRabbitmq, startRedis, stopServices } from '../test/support/services.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DEFAULT_FILE = 't/integration/test_canvas.py'

/** What Celery keeps in its own settings for pytest, and what has the tests find our worker. */
const PYTEST =
  '-m pytest -o python_classes=test_* -p no:cacheprovider -p celery.contrib.pytest -p celery_integration --timeout 400'

const { values, tokens } = parseArgs({
  strict: false,
  tokens: true,
  options: {
    broker: { type: 'string', default: 'redis' },
    pool: { type: 'string', default: 'async' },
  },
})

const checkout = process.env['CELERIAC_TEST_CELERY_CHECKOUT'] ?? ''
if (!existsSync(join(checkout, DEFAULT_FILE))) {
  console.error(
    `There is no ${DEFAULT_FILE} in '${checkout}': set CELERIAC_TEST_CELERY_CHECKOUT to a checkout of` +
      ' https://github.com/celery/celery, and CELERIAC_TEST_CELERY_PATH to a folder with the sources of the' +
      ' same release (celery, kombu, billiard, vine, amqp, redis) unless it is installed.',
  )
  process.exit(2)
}

const redis = await startRedis()
const broker = values.broker === 'redis' ? new URL('/1', redis.url).href : await rabbitmq()
const env = {
  CELERY_BROKER_URL: broker,
  CELERY_RESULT_BACKEND: redis.url,
  TEST_BROKER: broker,
  // some tests look for keys of the backend in the database that their tasks use
  TEST_BACKEND: redis.url,
  REDIS_HOST: '127.0.0.1',
  REDIS_PORT: String(redis.port),
  CANVAS_TELL_RECEIVED: '1',
}
try {
  await startWorker(String(values.pool))
  process.exitCode = await runTests()
} finally {
  await stopServices()
}

async function rabbitmq(): Promise<string> {
  return (await startRabbitmq({ vhosts: 1 })).vhostUrl(1)
}

async function startWorker(pool: string): Promise<void> {
  const main = ['--import', 'tsx', 'src/cli/main.ts', '-A', 'interop/node/canvas-tasks.ts']
  const flags = ['worker', '-l', 'info', '-P', pool, '-c', '4']
  const worker = new Process(process.execPath, [...main, ...flags], { cwd: ROOT, env })
  await worker.says(/ ready\./, 60)
}

async function runTests(): Promise<number> {
  const python = process.env['CELERIAC_TEST_PYTHON'] ?? '/usr/bin/python3'
  const celery = process.env['CELERIAC_TEST_CELERY_PATH']
  const path = [checkout, join(ROOT, 'interop', 'python'), ...(celery ? [celery] : [])]
  const given = others()
  const files = given.some((arg) => arg.includes('.py')) ? [] : [DEFAULT_FILE]
  const child = spawn(python, [...PYTEST.split(' '), ...files, ...given], {
    cwd: checkout,
    env: { ...process.env, ...env, PYTHONPATH: path.join(delimiter) },
    stdio: 'inherit',
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

/** All arguments but our own two. */
function others(): string[] {
  const ours = new Set(
    tokens.flatMap((token) =>
      token.kind === 'option' && (token.name === 'broker' || token.name === 'pool')
        ? [token.index, token.inlineValue === true ? token.index : token.index + 1]
        : [],
    ),
  )
  return process.argv.slice(2).filter((_, index) => !ours.has(index))
}
