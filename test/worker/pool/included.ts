/** A module that the settings name, and that defines a task of the app beside it. */

import { app } from './app.ts'

app.task('pool.included', () => app.conf.taskDefaultQueue)
