/** The app that a command works with: what `-A` names, or one of its own. */

import { Celery } from '../app/celery.ts'
import { configFromModule, findApp } from '../app/load.ts'
import { ImproperlyConfigured } from '../errors.ts'
import { UsageError } from './command.ts'

/**
 * Without `-A` a command has an app without tasks, as Celery has: enough to call by name, and to read
 * results. `CELERY_CONFIG_MODULE` names its settings.
 *
 * @throws UsageError with Celery's words when there is no such app
 */
export async function appOf(name: string | undefined): Promise<Celery> {
  try {
    if (name !== undefined) return await findApp(name)
    const app = new Celery('default')
    const module = process.env['CELERY_CONFIG_MODULE']
    if (module) await configFromModule(app, module)
    return app
  } catch (error) {
    if (error instanceof ImproperlyConfigured) throw new UsageError(`\n${error.message}`)
    throw error
  }
}
