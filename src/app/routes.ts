/** Which queue a task goes to, and with which options: `taskRoutes`, in Celery's order. */

import type { Settings } from '../conf/settings.ts'
import { readRoute } from '../conf/readers.ts'
import type { Route, RouteFunction, RouteOptions } from '../conf/structure.ts'
import { glob } from './glob.ts'

/** What a router is asked with. */
export interface RoutedCall {
  readonly name: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly options: Readonly<Record<string, unknown>>
  readonly task: unknown
}

type Pairs = readonly (readonly [string | RegExp, Route])[]

/** How many answers for a name are kept: names may come from outside, through `sendTask`. */
const MAX_CACHED = 5000

/**
 * Asks each router in order; the first answer counts. What the call itself names goes before it:
 * that is the publisher's business.
 *
 * @see celery 5.6, app/routes.py, `Router`
 */
export class Router {
  readonly #routers: readonly (MapRoute | RouteFunction)[]

  constructor(conf: Settings) {
    const routes = (conf.taskRoutes ?? []) as RouteFunction | readonly unknown[]
    const list = typeof routes === 'function' || isPairs(routes) ? [routes] : routes
    this.#routers = list.map((router) =>
      typeof router === 'function' ? (router as RouteFunction) : new MapRoute(router as Pairs),
    )
  }

  /** The route, or undefined when no router knows the task. */
  route(call: RoutedCall): RouteOptions | undefined {
    for (const router of this.#routers) {
      const route = router instanceof MapRoute ? router.route(call.name) : ask(router, call)
      if (route !== undefined) return route
    }
    return undefined
  }
}

function ask(router: RouteFunction, call: RoutedCall): RouteOptions | undefined {
  const answer = router(call.name, call.args, call.kwargs, call.options, call.task)
  if (answer === null || answer === undefined) return undefined
  return expand(readRoute(answer, `the route for '${call.name}'`))
}

function isPairs(routes: readonly unknown[]): boolean {
  const [first] = routes
  return (
    Array.isArray(first) &&
    (typeof first[0] === 'string' || first[0] instanceof RegExp) &&
    !Array.isArray(first[1])
  )
}

/** Names first, then patterns in their order. @see celery 5.6, app/routes.py, `MapRoute` */
class MapRoute {
  readonly #names = new Map<string, RouteOptions>()
  readonly #patterns: (readonly [(name: string) => boolean, RouteOptions])[] = []
  readonly #cache = new Map<string, RouteOptions | undefined>()

  constructor(pairs: Pairs) {
    for (const [key, route] of pairs) {
      const options = expand(route)
      if (typeof key !== 'string') this.#patterns.push([startsWith(key), options])
      else if (key.includes('*')) this.#patterns.push([glob(key), options])
      else this.#names.set(key, options)
    }
  }

  route(name: string): RouteOptions | undefined {
    const exact = this.#names.get(name)
    if (exact !== undefined || this.#patterns.length === 0) return exact
    if (this.#cache.has(name)) return this.#cache.get(name)
    const route = this.#patterns.find(([test]) => test(name))?.[1]
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear()
    this.#cache.set(name, route)
    return route
  }
}

/** Python's `match` begins at the start, and need not reach the end. */
function startsWith(pattern: RegExp): (name: string) => boolean {
  const sticky = new RegExp(pattern.source, `${pattern.flags.replace(/[gy]/g, '')}y`)
  return (name) => {
    sticky.lastIndex = 0
    return sticky.test(name)
  }
}

function expand(route: Route): RouteOptions {
  return typeof route === 'string' ? { queue: route } : route
}
