/** The app as users get it: with the worker, which stands above the app. */

import { Celery as App } from './app/celery.ts'
import { Worker, type WorkerOptions } from './worker/worker.ts'

/** @see celery 5.6, app/base.py, `Celery` */
export class Celery extends App {
  /** A worker of this app's tasks; it does nothing before `start()`. */
  worker(options: WorkerOptions = {}): Worker {
    return new Worker(this, options)
  }
}
