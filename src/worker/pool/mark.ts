/** Tells in a child that it is one: an app's module that starts a worker must not start it there again. */

const MARK = Symbol.for('celeriac.pool.child')

/** Until the returned function is called. */
export function markAsChild(): () => void {
  Object.defineProperty(globalThis, MARK, { value: true, configurable: true })
  return () => void Reflect.deleteProperty(globalThis, MARK)
}

export function isChild(): boolean {
  return MARK in globalThis
}
