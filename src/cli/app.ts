/** The app that a command works with: what `-A` names, or one of its own. */

import { Celery } from '../app/celery.ts'
import { configFromEnvironment, findApp } from '../app/load.ts'
import { ImproperlyConfigured } from '../errors.ts'
import { UsageError } from './command.ts'

/**
 * Without `-A` a command has an app without tasks, as Celery has: enough to call by name, and to read
 * results. `CELERY_CONFIG_MODULE` names the settings of an app that has none from an object.
 *
 * @throws UsageError with Celery's words when there is no such app
 */
export async function appOf(name: string | undefined): Promise<Celery> {
  try {
    const app = name === undefined ? new Celery('default') : await findApp(name)
    await configFromEnvironment(app)
    return app
  } catch (error) {
    if (error instanceof ImproperlyConfigured) throw new UsageError(`\n${error.message}`)
    throw error
  }
}
