/** What an error of a database's driver means: whether trying again, or a new connection, can help. */

/**
 * `lost`: the connection is of no more use. `busy`: the same may go well in a moment. `missing`: there
 * is no such table. `exists`: what was to be made is there already. `other`: it would fail again.
 */
export type SqlFault = 'lost' | 'busy' | 'missing' | 'exists' | 'other'

/** Codes of node's sockets, of pg (SQLSTATE), of mysql2 and of SQLite. */
const FAULTS: ReadonlyMap<string, SqlFault> = new Map<string, SqlFault>([
  ...codes(
    'lost',
    `ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH ENETDOWN ENOTFOUND
    EAI_AGAIN ENOENT_SOCKET 57P01 57P02 57P03 57P05 25006
    PROTOCOL_CONNECTION_LOST PROTOCOL_SEQUENCE_TIMEOUT PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR
    ER_SERVER_SHUTDOWN ER_NORMAL_SHUTDOWN ER_CON_COUNT_ERROR ER_CLIENT_INTERACTION_TIMEOUT
    ER_CONNECTION_KILLED ER_NET_READ_INTERRUPTED ER_NET_READ_ERROR ER_QUERY_INTERRUPTED
    ER_OPTION_PREVENTS_STATEMENT`,
  ),
  ...codes(
    'busy',
    `40001 40P01 55P03 53000 53100 53200 53300 53400 57014 ER_LOCK_DEADLOCK ER_LOCK_WAIT_TIMEOUT
    ER_TABLE_DEF_CHANGED ER_CHECKREAD ER_TOO_MANY_USER_CONNECTIONS ER_USER_LIMIT_REACHED
    ER_DISK_FULL ER_RECORD_FILE_FULL ER_OUT_OF_RESOURCES ER_OUTOFMEMORY ER_STATEMENT_TIMEOUT
    SQLITE_BUSY SQLITE_LOCKED SQLITE_PROTOCOL SQLITE_SCHEMA SQLITE_FULL`,
  ),
  ...codes('missing', '42P01 ER_NO_SUCH_TABLE'),
  ...codes('exists', '42P07 42710 23505 42P06 ER_TABLE_EXISTS_ERROR ER_DUP_ENTRY'),
])

function codes(fault: SqlFault, list: string): (readonly [string, SqlFault])[] {
  return list.split(/\s+/).map((code) => [code, fault] as const)
}

/** Where a driver has words and no code. */
const WORDS: readonly (readonly [RegExp, SqlFault])[] = [
  [/Connection terminated|connection is closed|closed state|Query read timeout/i, 'lost'],
  [/timeout exceeded when trying to connect|connect ETIMEDOUT|Pool is closed/i, 'lost'],
  [/database (?:table )?is locked|database schema has changed|disk is full/i, 'busy'],
  [/no such table/i, 'missing'],
  [/(?:table|index) .* already exists/i, 'exists'],
]

export function sqlFault(error: unknown): SqlFault {
  if (!(error instanceof Error)) return 'other'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // Class 08 of SQLSTATE is a connection exception; SQLITE_BUSY_RECOVERY is busy
  const fault = FAULTS.get(code) ?? FAULTS.get(/^SQLITE_[A-Z]+/.exec(code)?.[0] ?? '')
  if (fault !== undefined) return fault
  if (/^08\w{3}$/.test(code) || error instanceof QueryTimeout) return 'lost'
  // an unix socket that is not there
  if (code === 'ENOENT' && 'syscall' in error && error.syscall === 'connect') return 'lost'
  const words = WORDS.find(([pattern]) => pattern.test(error.message))
  if (words !== undefined) return words[1]
  // happy eyeballs: each address has failed in its own way
  return error instanceof AggregateError && error.errors.length > 0
    ? sqlFault(error.errors[0])
    : 'other'
}

/** What happened, in one line; an error of several addresses has no message of its own. */
export function sqlMessage(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(sqlMessage).join('; ')
  }
  return error instanceof Error ? error.message : String(error)
}

/** A query that had no answer in time. */
export class QueryTimeout extends Error {
  constructor(seconds: number) {
    super(`the database did not answer within ${seconds} seconds`)
    this.name = 'QueryTimeout'
  }
}
