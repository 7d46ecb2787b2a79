/** Celery's two tables of results, as SQLAlchemy makes them in each kind of database. */

import { sql, type Generated, type Kysely, type RawBuilder } from 'kysely'
import { ImproperlyConfigured } from '../../errors.ts'
import type { DatabaseSettings } from '../deps.ts'
import { sqlFault } from '../sql/fault.ts'
import type { SqlDialect } from '../sql/url.ts'

/** @see celery 5.6, backends/database/models.py, `Task` and `TaskExtended` */
export interface TaskTable {
  readonly id: Generated<number>
  readonly task_id: string
  readonly status: string | null
  /** A pickle. */
  readonly result: Buffer | null
  /** Without a time zone: UTC. */
  readonly date_done: string | null
  readonly traceback: string | null
  readonly name: string | null
  /** In the serializer of results. */
  readonly args: Buffer | null
  readonly kwargs: Buffer | null
  readonly worker: string | null
  readonly retries: number | null
  readonly queue: string | null
}

/** @see celery 5.6, backends/database/models.py, `TaskSet` */
export interface GroupTable {
  readonly id: Generated<number>
  readonly taskset_id: string
  /** A pickle. */
  readonly result: Buffer | null
  readonly date_done: string | null
}

/** Under their usual names, whatever they are called. */
export interface Tables {
  readonly celery_taskmeta: TaskTable
  readonly celery_tasksetmeta: GroupTable
}

/** Where a table is. */
interface Place {
  /** With its schema. */
  readonly full: string
  readonly name: string
  readonly schema: string | undefined
}

interface Column {
  readonly name: string
  readonly type: 'text' | 'bytes' | 'time' | 'integer' | number
}

/** A number is the length of a text. The order is that of the model, and so of the table. */
const TASK_COLUMNS: readonly Column[] = [
  { name: 'task_id', type: 155 },
  { name: 'status', type: 50 },
  { name: 'result', type: 'bytes' },
  { name: 'date_done', type: 'time' },
  { name: 'traceback', type: 'text' },
  { name: 'name', type: 155 },
  { name: 'args', type: 'bytes' },
  { name: 'kwargs', type: 'bytes' },
  { name: 'worker', type: 155 },
  { name: 'retries', type: 'integer' },
  { name: 'queue', type: 155 },
]

const GROUP_COLUMNS: readonly Column[] = [
  { name: 'taskset_id', type: 155 },
  { name: 'result', type: 'bytes' },
  { name: 'date_done', type: 'time' },
]

const TYPES: Record<SqlDialect, Record<string, string>> = {
  postgresql: { bytes: 'BYTEA', time: 'TIMESTAMP WITHOUT TIME ZONE', id: '' },
  mysql: { bytes: 'BLOB', time: 'DATETIME', id: 'AUTO_INCREMENT' },
  sqlite: { bytes: 'BLOB', time: 'DATETIME', id: 'AUTOINCREMENT' },
}
/** The first release of MariaDB with sequences. @see SQLAlchemy 1.4, dialects/mysql/base.py, `initialize` */
const MARIADB = /^(?:5\.5\.5-)?(\d+)\.(\d+).*MariaDB/i

/** How often two who make the tables at once may get into each other's way. */
const MAX_RACES = 10

export class Schema {
  readonly dialect: SqlDialect
  readonly #task: Place
  readonly #group: Place
  /** Whether ids come from sequences: on PostgreSQL and on MariaDB, where Python takes them, too. */
  #sequences: boolean

  /** @throws ImproperlyConfigured when a name is none */
  constructor(dialect: SqlDialect, { tableNames, tableSchemas }: DatabaseSettings) {
    this.dialect = dialect
    this.#sequences = dialect === 'postgresql'
    this.#task = place('task', tableNames['task'] ?? 'celery_taskmeta', tableSchemas['task'])
    this.#group = place('group', tableNames['group'] ?? 'celery_tasksetmeta', tableSchemas['group'])
  }

  /** The table of tasks, for a query. */
  get task(): 'celery_taskmeta' {
    return this.#task.full as 'celery_taskmeta'
  }

  /** The table of groups, for a query. */
  get group(): 'celery_tasksetmeta' {
    return this.#group.full as 'celery_tasksetmeta'
  }

  /** A column of the row that is there already, in an upsert. */
  stored(column: keyof TaskTable): RawBuilder<never> {
    return sql.ref(`${this.#task.name}.${column}`)
  }

  /** What an insert says of the id, once the tables are there: a column with a sequence has no default. */
  get taskId(): { readonly id?: RawBuilder<number> } {
    return this.#id('task_id_sequence', this.#task)
  }

  get groupId(): { readonly id?: RawBuilder<number> } {
    return this.#id('taskset_id_sequence', this.#group)
  }

  /**
   * Makes what is missing. Others may do the same at this moment; who may not make tables can use
   * those that are there.
   *
   * @see celery 5.6, backends/database/session.py, `SessionManager.prepare_models`
   */
  async create(db: Kysely<Tables>): Promise<void> {
    if (this.dialect === 'mysql') this.#sequences = await hasSequences(db)
    for (let races = 0; !(await this.#exists(db)); races += 1) {
      try {
        await this.#createTable(db, this.#task, TASK_COLUMNS, 'task_id_sequence')
        await this.#createTable(db, this.#group, GROUP_COLUMNS, 'taskset_id_sequence')
      } catch (error) {
        if (sqlFault(error) !== 'exists' || races >= MAX_RACES) throw error
      }
    }
    if (this.#sequences && this.dialect === 'mysql') this.#sequences = await this.#hasNoDefault(db)
  }

  /** Tables of an older release count by themselves, also on MariaDB. */
  async #hasNoDefault(db: Kysely<Tables>): Promise<boolean> {
    const table = sql.table(this.task)
    const { rows } = await sql<{ Extra: string }>`show columns from ${table} like 'id'`.execute(db)
    return !/auto_increment/i.test(rows[0]?.Extra ?? '')
  }

  async #exists(db: Kysely<Tables>): Promise<boolean> {
    try {
      await db.selectFrom(this.task).select('id').limit(0).execute()
      await db.selectFrom(this.group).select('id').limit(0).execute()
      return true
    } catch (error) {
      if (sqlFault(error) === 'missing') return false
      throw error
    }
  }

  async #createTable(
    db: Kysely<Tables>,
    { full, schema }: Place,
    columns: readonly Column[],
    sequence: string,
  ): Promise<void> {
    if (this.#sequences) {
      const name = sql.table(qualified(sequence, schema))
      await sql`create sequence if not exists ${name} start with 1`.execute(db)
    }
    const [unique] = columns
    const counter = this.#sequences ? '' : (TYPES[this.dialect]['id'] ?? '')
    const lines = [
      sql`${sql.ref('id')} INTEGER NOT NULL PRIMARY KEY ${sql.raw(counter)}`,
      ...columns.map(({ name, type }) => sql`${sql.ref(name)} ${sql.raw(this.#type(type))}`),
      sql`unique (${sql.ref(unique?.name ?? '')})`,
    ]
    await sql`create table if not exists ${sql.table(full)} (${sql.join(lines)})`.execute(db)
  }

  #type(type: Column['type']): string {
    if (typeof type === 'number') return `VARCHAR(${type})`
    return TYPES[this.dialect][type] ?? type.toUpperCase()
  }

  #id(sequence: string, { schema }: Place): { readonly id?: RawBuilder<number> } {
    if (!this.#sequences) return {}
    const name = qualified(sequence, schema)
    if (this.dialect === 'mysql') return { id: sql<number>`nextval(${sql.table(name)})` }
    const parts = name.split('.').map((part) => `"${part}"`)
    return { id: sql<number>`nextval(${sql.lit(parts.join('.'))})` }
  }
}

async function hasSequences(db: Kysely<Tables>): Promise<boolean> {
  const { rows } = await sql<{ version: string }>`select version() as version`.execute(db)
  const [, major, minor] = MARIADB.exec(rows[0]?.version ?? '') ?? []
  return Number(major) > 10 || (Number(major) === 10 && Number(minor) >= 3)
}

const NAME = /^[^\0.'"`\\]{1,60}$/

function place(kind: string, name: unknown, schema: unknown): Place {
  const given = schema ?? undefined
  if (typeof name === 'string' && NAME.test(name)) {
    if (given === undefined) return { full: name, name, schema: undefined }
    if (typeof given === 'string' && NAME.test(given)) {
      return { full: qualified(name, given), name, schema: given }
    }
  }
  throw new ImproperlyConfigured(
    `database_table_names and database_table_schemas: '${kind}' must be a name without dots and quotes`,
  )
}

function qualified(name: string, schema: string | undefined): string {
  return schema === undefined ? name : `${schema}.${name}`
}
