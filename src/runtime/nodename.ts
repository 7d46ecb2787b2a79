/** Node names, `name@host`: made, split, and expanded from `%h` and kin. */

import { hostname } from 'node:os'

const NODENAME_SEP = '@'
const NODENAME_DEFAULT = 'celery'

/** `name@host`. */
export function nodename(name: string, host: string): string {
  return `${name}${NODENAME_SEP}${host}`
}

/** `gen<pid>@<host>`: a process that is no worker; it stands in the `origin` header. */
export function anonNodename(host: string = hostname(), prefix = 'gen'): string {
  return nodename(`${prefix}${process.pid}`, host)
}

/** The name and the host; the name is null when there is no `@`. */
export function nodesplit(node: string): readonly [name: string | null, host: string] {
  const at = node.indexOf(NODENAME_SEP)
  return at === -1 ? [null, node] : [node.slice(0, at), node.slice(at + 1)]
}

/** Fills in what is missing: `celery` for the name, this machine for the host. */
export function defaultNodename(node: string | null = null): string {
  const [name, host] = nodesplit(node ?? '')
  return nodename(name || NODENAME_DEFAULT, host || hostname())
}

/**
 * A worker's name from what `-n` gave: `w1`, `w1@%h`, `%n.%d`.
 *
 *     %h  the host          %n  the host up to its first dot     %d  the rest
 *     %i  process index, 0 in the main process     %I  the same with a dash, empty in the main one
 *     %%  a percent sign
 *
 * @see celery 5.6, utils/nodenames.py `host_format`, apps/worker.py
 */
export function hostFormat(text: string, host: string = hostname(), name?: string): string {
  const dot = host.indexOf('.')
  const short = dot === -1 ? host : host.slice(0, dot)
  return expand(text, {
    h: host,
    n: name ?? short,
    d: dot === -1 ? '' : host.slice(dot + 1),
    i: '0',
    I: '',
  })
}

/**
 * The same inside a node's name: `%n` is the name, `%h` its host, `%p` all of it. For file names.
 *
 * @see celery 5.6, utils/nodenames.py, `node_format`
 */
export function nodeFormat(text: string, node: string): string {
  const [name, host] = nodesplit(node)
  return hostFormat(text.replaceAll('%p', node), host || hostname(), name ?? NODENAME_DEFAULT)
}

function expand(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/%(%|[a-zA-Z])/g, (whole, key: string) =>
    key === '%' ? '%' : Object.hasOwn(values, key) ? (values[key] ?? '') : whole,
  )
}
