/**
 * The table of all settings: Celery's name, type, default and old name, and what we do with each.
 *
 * It is long because it is one table; `npm run docs` writes docs/settings.md from it, the first line
 * above an entry is the text there.
 *
 * @see celery 5.6, app/defaults.py
 */

import type { Structured, StructuredInput } from './structure.ts'

/** `seconds` is a number, or a duration; `list` is of strings; `any` is read in structure.ts. */
export type SettingType = 'string' | 'int' | 'float' | 'seconds' | 'bool' | 'list' | 'dict' | 'any'

export interface Setting {
  readonly type: SettingType
  /** Null where nothing is set; some of those are derived from others, see resolve.ts. */
  readonly default: unknown
  /** Celery 3's name, where it does not follow the rule, see resolve.ts. */
  readonly old?: string
  /** Whether null may be given although the default is something: it means never, or no limit. */
  readonly nullable?: true
  /** The only values that may be given. */
  readonly choices?: readonly (string | number)[]
  /**
   * Absent: honoured. `later`: taken, without effect yet, and a warning says so. `foreign`: the same,
   * for what exists only in Python. `refused`: an error, because to ignore it would do harm.
   */
  readonly status?: 'later' | 'foreign' | 'refused'
  /** Ours: Celery has no such setting. */
  readonly ours?: true
}

export const SETTINGS = {
  /** Content types, or names of serializers, that are decoded. */
  accept_content: { type: 'list', default: ['json'] },
  /** The same for results; `accept_content` when it is not given. */
  result_accept_content: { type: 'list', default: null, old: 'RESULT_ACCEPT_CONTENT' },
  /** Times go out in UTC; when false, in local time, unless `timezone` is given. */
  enable_utc: { type: 'bool', default: true, old: 'ENABLE_UTC' },
  /** The app's time zone, such as `Europe/Prague`; UTC when it is not given. */
  timezone: { type: 'string', default: null },
  /** Modules that a worker imports when it starts. */
  imports: { type: 'list', default: [] },
  /** The same. */
  include: { type: 'list', default: [] },

  /**
   * The broker: a URL, several with `;` between them, or a list. `CELERY_BROKER_URL` goes before
   * it; `memory://` when there is none.
   */
  broker_url: { type: 'any', default: null },
  /**
   * Where workers consume from; `broker_url` when it is not given. `CELERY_BROKER_READ_URL` goes
   * before it.
   */
  broker_read_url: { type: 'any', default: null },
  /**
   * Where messages are sent to; `broker_url` when it is not given. `CELERY_BROKER_WRITE_URL` goes
   * before it.
   */
  broker_write_url: { type: 'any', default: null },
  /**
   * Options of the transport: `visibility_timeout`, `priority_steps`, `sep`,
   * `queue_order_strategy`, `global_keyprefix`, …
   */
  broker_transport_options: { type: 'any', default: {} },
  /** Seconds for one attempt to connect. */
  broker_connection_timeout: { type: 'seconds', default: 4 },
  /** Whether a worker connects again when it lost the broker. */
  broker_connection_retry: { type: 'bool', default: true },
  /** The same for its first connection; `broker_connection_retry` when it is not given. */
  broker_connection_retry_on_startup: { type: 'bool', default: null },
  /** How many times a worker tries to connect; null or 0 is without end. */
  broker_connection_max_retries: { type: 'int', default: 100, nullable: true },
  /** In which order several brokers are tried: `round-robin` or `shuffle`. */
  broker_failover_strategy: {
    type: 'string',
    default: 'round-robin',
    nullable: true,
    choices: ['round-robin', 'shuffle'],
  },
  /** Seconds between AMQP heartbeats; 0 is none. */
  broker_heartbeat: { type: 'seconds', default: 120, nullable: true },
  /**
   * TLS: true, or Node's TLS options, or Python's file names (`ca_certs`, `certfile`, `keyfile`).
   */
  broker_use_ssl: { type: 'any', default: false },
  /** Whether a worker survives errors of a channel; ours always does, and opens another. */
  broker_channel_error_retry: { type: 'bool', default: false, status: 'foreign' },
  /** Checks of the heartbeat in its interval. */
  broker_heartbeat_checkrate: { type: 'float', default: 3, status: 'foreign' },
  /** The SASL mechanism. */
  broker_login_method: { type: 'string', default: null, status: 'later' },
  /** The queues of native delayed delivery: `classic` or `quorum`. */
  broker_native_delayed_delivery_queue_type: { type: 'string', default: 'quorum', status: 'later' },
  /** Connections kept open; ours needs one for all. */
  broker_pool_limit: { type: 'int', default: 10, nullable: true, status: 'foreign' },
  /** Seconds to wait for one of them. */
  broker_pool_acquire_timeout: { type: 'seconds', default: null, status: 'foreign' },
  /** A piece of the URL: write it into `broker_url`. */
  broker_transport: { type: 'string', default: null, status: 'refused' },
  /** A piece of the URL: write it into `broker_url`. */
  broker_host: { type: 'string', default: null, status: 'refused' },
  /** A piece of the URL: write it into `broker_url`. */
  broker_port: { type: 'int', default: null, status: 'refused' },
  /** A piece of the URL: write it into `broker_url`. */
  broker_user: { type: 'string', default: null, status: 'refused' },
  /** A piece of the URL: write it into `broker_url`. */
  broker_password: { type: 'string', default: null, status: 'refused' },
  /** A piece of the URL: write it into `broker_url`. */
  broker_vhost: { type: 'string', default: null, status: 'refused' },

  /** Acknowledge a message after its task ran, not before. */
  task_acks_late: { type: 'bool', default: false },
  /** With `task_acks_late`: acknowledge also when the task failed or ran out of time. */
  task_acks_on_failure_or_timeout: { type: 'bool', default: true },
  /** The same for failures only; null: as the setting for both. */
  task_acks_on_failure: { type: 'bool', default: null, status: 'later' },
  /** The same for hard time limits only; null: as the setting for both. */
  task_acks_on_timeout: { type: 'bool', default: null, status: 'later' },
  /** Run tasks here and now instead of sending them: for tests. */
  task_always_eager: { type: 'bool', default: false },
  /** Options of tasks by their name, `*` for all. */
  task_annotations: { type: 'any', default: null },
  /** How bodies are compressed: `zlib`, `gzip`, `brotli`, `zstd`, … */
  task_compression: { type: 'string', default: null, old: 'CELERY_MESSAGE_COMPRESSION' },
  /** Make queues that are not in `task_queues`. */
  task_create_missing_queues: { type: 'bool', default: true },
  /** Their type: `classic` or `quorum`. */
  task_create_missing_queue_type: {
    type: 'string',
    default: 'classic',
    choices: ['classic', 'quorum'],
  },
  /** The type of their exchanges; null is `direct`. */
  task_create_missing_queue_exchange_type: {
    type: 'string',
    default: null,
    choices: ['direct', 'topic', 'fanout', 'headers'],
  },
  /** Tasks that a task sends get its priority. */
  task_inherit_parent_priority: { type: 'bool', default: false },
  /** 2 (`persistent`) survives a restart of the broker, 1 (`transient`) does not. */
  task_default_delivery_mode: { type: 'any', default: 2 },
  /** The queue of tasks that no route leads elsewhere. */
  task_default_queue: { type: 'string', default: 'celery' },
  /** Its type: `classic` or `quorum`. */
  task_default_queue_type: { type: 'string', default: 'classic', choices: ['classic', 'quorum'] },
  /** The exchange of queues that name none; `task_default_queue` when it is not given. */
  task_default_exchange: { type: 'string', default: null },
  /** Its type. */
  task_default_exchange_type: {
    type: 'string',
    default: 'direct',
    choices: ['direct', 'topic', 'fanout', 'headers'],
  },
  /** The routing key of queues that name none; `task_default_queue` when it is not given. */
  task_default_routing_key: { type: 'string', default: null },
  /** How often a task may run on one worker: `10/m`, `1/s`. */
  task_default_rate_limit: { type: 'any', default: null },
  /** The priority of tasks that name none. */
  task_default_priority: { type: 'int', default: null },
  /** Errors of tasks that ran here and now reject the call. */
  task_eager_propagates: {
    type: 'bool',
    default: false,
    old: 'CELERY_EAGER_PROPAGATES_EXCEPTIONS',
  },
  /** Keep no results, unless a task says otherwise. */
  task_ignore_result: { type: 'bool', default: false },
  /** Keep the results of tasks that ran here and now. */
  task_store_eager_result: { type: 'bool', default: false },
  /** The version of the task message: 1 or 2. */
  task_protocol: { type: 'int', default: 2, old: 'CELERY_TASK_PROTOCOL', choices: [1, 2] },
  /** Send again when the broker was lost. */
  task_publish_retry: { type: 'bool', default: true, old: 'CELERY_TASK_PUBLISH_RETRY' },
  /** How often: `max_retries`, `interval_start`, `interval_step`, `interval_max`. */
  task_publish_retry_policy: {
    type: 'any',
    default: { maxRetries: 3, intervalStart: 0, intervalStep: 0.2, intervalMax: 1 },
    old: 'CELERY_TASK_PUBLISH_RETRY_POLICY',
  },
  /** Seconds until a call that could not be sent gives up. */
  task_publish_timeout: { type: 'seconds', default: 30, ours: true },
  /** The queues: a list, or an object by name. */
  task_queues: { type: 'any', default: null },
  /** `x-max-priority` of all queues that name none. */
  task_queue_max_priority: { type: 'int', default: null },
  /** With `task_acks_late`: give the message back when its process died. */
  task_reject_on_worker_lost: { type: 'bool', default: false },
  /** Which task goes to which queue: by name, glob, regular expression or function. */
  task_routes: { type: 'any', default: null },
  /** Tell monitors of each task that is sent. */
  task_send_sent_event: {
    type: 'bool',
    default: false,
    old: 'CELERY_SEND_TASK_SENT_EVENT',
    status: 'later',
  },
  /** The serializer of messages: `json`, `msgpack`, `yaml`. */
  task_serializer: { type: 'string', default: 'json', old: 'CELERY_TASK_SERIALIZER' },
  /** Seconds until a task is told to end. */
  task_soft_time_limit: { type: 'seconds', default: null, old: 'CELERYD_TASK_SOFT_TIME_LIMIT' },
  /** Seconds until a task is ended. */
  task_time_limit: { type: 'seconds', default: null, old: 'CELERYD_TASK_TIME_LIMIT' },
  /** Keep errors even where results are ignored. */
  task_store_errors_even_if_ignored: { type: 'bool', default: false },
  /** Store STARTED when a task begins. */
  task_track_started: { type: 'bool', default: false },
  /** `link_error` of a chord also for the tasks of its header. */
  task_allow_error_cb_on_chord_header: { type: 'bool', default: false },
  /** Re-raise Python's tracebacks (tblib). */
  task_remote_tracebacks: { type: 'bool', default: false, status: 'foreign' },

  /**
   * Where results are kept: a URL, `rpc://`, `disabled://`. `CELERY_RESULT_BACKEND` goes before
   * it; none without it, but `memory://` on the memory broker.
   */
  result_backend: { type: 'string', default: null },
  /** Options of the backend: `global_keyprefix`, `retry_policy`, `master_name`, `result_chord_ordered`, … */
  result_backend_transport_options: { type: 'any', default: {} },
  /** Seconds until a result is deleted; null or 0 is never. */
  result_expires: {
    type: 'seconds',
    default: 86_400,
    old: 'CELERY_TASK_RESULT_EXPIRES',
    nullable: true,
  },
  /** Results on `rpc://` survive a restart of the broker. */
  result_persistent: { type: 'bool', default: null },
  /** Classes of Python's that take the place of its result backends, by scheme. */
  override_backends: { type: 'dict', default: null, status: 'foreign' },
  /** Keep name, arguments, worker, retries and queue with the result. */
  result_extended: { type: 'bool', default: false },
  /** The serializer of results. */
  result_serializer: { type: 'string', default: 'json' },
  /** How many results a client keeps in memory; ours keeps none but in the handle that has read it. */
  result_cache_max: {
    type: 'int',
    default: -1,
    old: 'CELERY_MAX_CACHED_RESULTS',
    nullable: true,
    status: 'foreign',
  },
  /** Seconds between two looks at a chord where the backend cannot count. */
  result_chord_retry_interval: { type: 'seconds', default: 1 },
  /** Seconds to collect the results of a chord's header. */
  result_chord_join_timeout: { type: 'seconds', default: 3 },
  /**
   * Go on when a result could not be stored in spite of `retry_policy` in the backend's options, more
   * and more slowly.
   */
  result_backend_always_retry: { type: 'bool', default: false },
  /** How many times then; null is without end. */
  result_backend_max_retries: { type: 'float', default: null },
  /** Milliseconds before the first of them, doubled before each other. */
  result_backend_base_sleep_between_retries_ms: { type: 'int', default: 10 },
  /** The most milliseconds between two. */
  result_backend_max_sleep_between_retries_ms: { type: 'int', default: 10_000 },
  /** Defined by Celery, but never applied. */
  result_compression: { type: 'string', default: null, status: 'foreign' },
  /** Defined by Celery, but never applied. */
  result_exchange: { type: 'string', default: 'celeryresults', status: 'foreign' },
  /** Defined by Celery, but never applied. */
  result_exchange_type: { type: 'string', default: 'direct', status: 'foreign' },

  /** How many tasks run at a time; null is the number of cores. */
  worker_concurrency: { type: 'int', default: null },
  /**
   * `async` (many at a time in one process), `solo` (one), `prefork` (child processes) or `threads`.
   */
  worker_pool: { type: 'string', default: 'async' },
  /** Messages fetched ahead for each that can run; 0 is no limit. */
  worker_prefetch_multiplier: { type: 'int', default: 4 },
  /** The most messages held while tasks wait for their eta: what they may raise the prefetch count to. */
  worker_eta_task_limit: { type: 'int', default: null },
  /** Fetch a message only when it can run at once. */
  worker_disable_prefetch: { type: 'bool', default: false },
  /** Fetch fewer after a lost connection, until what runs is done. */
  worker_enable_prefetch_count_reduction: { type: 'bool', default: true },
  /** End what is acknowledged late when the broker is lost. */
  worker_cancel_long_running_tasks_on_connection_loss: { type: 'bool', default: false },
  /** Do not run again what was redelivered and is done. */
  worker_deduplicate_successful_tasks: { type: 'bool', default: false },
  /** Take no notice of rate limits. */
  worker_disable_rate_limits: {
    type: 'bool',
    default: false,
    old: 'CELERY_DISABLE_RATE_LIMITS',
  },
  /** Seconds that tasks may still run at a cold shutdown; 0 is none. */
  worker_soft_shutdown_timeout: { type: 'seconds', default: 0 },
  /** Wait them even when nothing runs. */
  worker_enable_soft_shutdown_on_idle: { type: 'bool', default: false },
  /** Also consume a queue of its own, `<node>.dq2`. */
  worker_direct: { type: 'bool', default: false, old: 'CELERY_WORKER_DIRECT', status: 'later' },
  /** Listen for remote commands. */
  worker_enable_remote_control: {
    type: 'bool',
    default: true,
    old: 'CELERY_ENABLE_REMOTE_CONTROL',
  },
  /** Send events for monitors. */
  worker_send_task_events: {
    type: 'bool',
    default: false,
    old: 'CELERY_SEND_EVENTS',
    status: 'later',
  },
  /** The file that revoked ids are kept in. */
  worker_state_db: { type: 'string', default: null },
  /** Seconds until a dead child counts as lost; ours is lost at once. */
  worker_lost_wait: {
    type: 'seconds',
    default: 10,
    old: 'CELERYD_WORKER_LOST_WAIT',
    status: 'foreign',
  },
  /** KiB after which a child of the pool is replaced, once its task is done. */
  worker_max_memory_per_child: { type: 'int', default: null },
  /** Tasks after which a child of the pool is replaced. */
  worker_max_tasks_per_child: { type: 'int', default: null },
  /** Allow the remote command `pool_restart`. */
  worker_pool_restarts: { type: 'bool', default: false },
  /** Seconds for a child of the pool to load the app; 60 when it is not given. */
  worker_proc_alive_timeout: { type: 'seconds', default: 4 },
  /** Look for quorum queues, and do as they need. */
  worker_detect_quorum_queues: { type: 'bool', default: true, status: 'later' },
  /** Colours in the log. */
  worker_log_color: { type: 'bool', default: null, status: 'later' },
  /** The form of log lines, in Python's words. */
  worker_log_format: {
    type: 'string',
    default: '[%(asctime)s: %(levelname)s/%(processName)s] %(message)s',
    status: 'foreign',
  },
  /** The form of log lines inside tasks, in Python's words. */
  worker_task_log_format: {
    type: 'string',
    default: '[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s',
    status: 'foreign',
  },
  /** A class of Python's. */
  worker_agent: { type: 'string', default: null, status: 'foreign' },
  /** A class of Python's. */
  worker_autoscaler: {
    type: 'string',
    default: 'celery.worker.autoscale:Autoscaler',
    status: 'foreign',
  },
  /** A class of Python's. */
  worker_consumer: {
    type: 'string',
    default: 'celery.worker.consumer:Consumer',
    status: 'foreign',
  },
  /** A class of Python's. */
  worker_timer: { type: 'string', default: null, status: 'foreign' },
  /** Seconds between two looks of Python's timer. */
  worker_timer_precision: { type: 'seconds', default: 1, status: 'foreign' },
  /** Python's root logger. */
  worker_hijack_root_logger: { type: 'bool', default: true, status: 'foreign' },
  /** A detail of billiard's. */
  worker_pool_putlocks: { type: 'bool', default: true, status: 'foreign' },
  /** `print` goes to the log. */
  worker_redirect_stdouts: {
    type: 'bool',
    default: true,
    old: 'CELERY_REDIRECT_STDOUTS',
    status: 'foreign',
  },
  /** At which level. */
  worker_redirect_stdouts_level: {
    type: 'string',
    default: 'WARNING',
    old: 'CELERY_REDIRECT_STDOUTS_LEVEL',
    status: 'foreign',
  },

  /** The periodic tasks, by name. */
  beat_schedule: { type: 'any', default: {}, status: 'later' },
  /** The most seconds between two looks; 0 is the scheduler's own (300). */
  beat_max_loop_interval: { type: 'seconds', default: 0, status: 'later' },
  /** The file that last runs are kept in. */
  beat_schedule_filename: { type: 'string', default: 'celerybeat-schedule', status: 'later' },
  /** Tasks sent between two writes of that file; 0 is by time only. */
  beat_sync_every: { type: 'int', default: 0, status: 'later' },
  /** Seconds after which a missed run is left out. */
  beat_cron_starting_deadline: { type: 'seconds', default: null, status: 'later' },
  /** A class of Python's. */
  beat_scheduler: { type: 'string', default: 'celery.beat:PersistentScheduler', status: 'foreign' },

  /** Seconds until a queue of events that nobody reads is deleted. */
  event_queue_expires: { type: 'seconds', default: 60, status: 'later' },
  /** Seconds until an event that nobody read is dropped. */
  event_queue_ttl: { type: 'seconds', default: 5, status: 'later' },
  /** What the names of such queues begin with. */
  event_queue_prefix: { type: 'string', default: 'celeryev', status: 'later' },
  /** Only their connection may read them. */
  event_queue_exclusive: { type: 'bool', default: false, status: 'later' },
  /** They survive a restart of the broker. */
  event_queue_durable: { type: 'bool', default: false, status: 'later' },
  /** The serializer of events. */
  event_serializer: { type: 'string', default: 'json', status: 'later' },
  /** The exchange of events. */
  event_exchange: { type: 'string', default: 'celeryev', status: 'later' },
  /** Seconds until a command that nobody read is dropped. */
  control_queue_ttl: { type: 'seconds', default: 300 },
  /** Seconds until a queue of commands that nobody reads is deleted. */
  control_queue_expires: { type: 'seconds', default: 10 },
  /** Only their connection may read them. */
  control_queue_exclusive: { type: 'bool', default: false },
  /** They survive a restart of the broker. */
  control_queue_durable: { type: 'bool', default: false },
  /** What the name of the exchange of commands begins with. */
  control_exchange: { type: 'string', default: 'celery' },

  /** TLS of the result backend: as `broker_use_ssl`. */
  redis_backend_use_ssl: { type: 'any', default: null },
  /** Seconds for a Redis command of the backend. */
  redis_socket_timeout: { type: 'seconds', default: 120, nullable: true },
  /** Seconds for one attempt to connect to it. */
  redis_socket_connect_timeout: { type: 'seconds', default: null },
  /** The name that the backend's connections give themselves. */
  redis_client_name: { type: 'string', default: null },
  /** Connections kept open; ours needs two. */
  redis_max_connections: { type: 'int', default: null, status: 'foreign' },
  /** Try again after a timeout; ours always does. */
  redis_retry_on_timeout: { type: 'bool', default: false, status: 'foreign' },
  /** TCP keepalive; ours is always on. */
  redis_socket_keepalive: { type: 'bool', default: false, status: 'foreign' },
  /** Seconds between two looks at the connection's health. */
  redis_backend_health_check_interval: { type: 'seconds', default: null, status: 'foreign' },
  /** A piece of the URL: write it into `result_backend`. */
  redis_host: { type: 'string', default: null, status: 'refused' },
  /** A piece of the URL: write it into `result_backend`. */
  redis_port: { type: 'int', default: null, status: 'refused' },
  /** A piece of the URL: write it into `result_backend`. */
  redis_db: { type: 'int', default: null, status: 'refused' },
  /** A piece of the URL: write it into `result_backend`. */
  redis_username: { type: 'string', default: null, status: 'refused' },
  /** A piece of the URL: write it into `result_backend`. */
  redis_password: { type: 'string', default: null, status: 'refused' },

  /** Where a result backend `db` is, when its URL does not say: as `db+…` without `db+`. */
  database_url: { type: 'string', default: null, old: 'CELERY_RESULT_DBURI' },
  /** Of SQLAlchemy's `pool_size`, `max_overflow`, `pool_recycle`; also `connect_timeout`, `query_timeout` in seconds. */
  database_engine_options: { type: 'dict', default: null, old: 'CELERY_RESULT_ENGINE_OPTIONS' },
  /** How SQLAlchemy makes its sessions. */
  database_short_lived_sessions: {
    type: 'bool',
    default: false,
    status: 'foreign',
    old: 'CELERY_RESULT_DB_SHORT_LIVED_SESSIONS',
  },
  /** The schemas of the tables: `task`, `group`. */
  database_table_schemas: { type: 'dict', default: null, old: 'DATABASE_TABLE_SCHEMAS' },
  /** The names of the tables: `task`, `group`. */
  database_table_names: { type: 'dict', default: null, old: 'CELERY_RESULT_DB_TABLENAMES' },
  /** Make the tables when the backend starts, not when they are first needed. */
  database_create_tables_at_setup: {
    type: 'bool',
    default: true,
    old: 'DATABASE_CREATE_TABLES_AT_SETUP',
  },

  /** Where a result backend `cache` is, when its URL does not say: `memcached://…`, `memory://`. */
  cache_backend: { type: 'string', default: null },
  /** Options of the Memcached client. */
  cache_backend_options: { type: 'dict', default: {} },

  /** Signed messages (`auth`) are not supported. */
  security_certificate: { type: 'string', default: null, status: 'refused' },
  /** Signed messages (`auth`) are not supported. */
  security_cert_store: { type: 'string', default: null, status: 'refused' },
  /** Signed messages (`auth`) are not supported. */
  security_key: { type: 'string', default: null, status: 'refused' },
  /** Signed messages (`auth`) are not supported. */
  security_key_password: { type: 'string', default: null, status: 'refused' },
  /** Signed messages (`auth`) are not supported. */
  security_digest: { type: 'string', default: 'sha256', status: 'foreign' },

  /**
   * How many times a message may be delivered whose worker dies of it, until its task has failed.
   */
  max_deliveries: { type: 'int', default: 5, nullable: true, ours: true },
  /** The most tasks that wait for their eta in a worker, the nearest; the others wait at the broker. */
  worker_eta_hold_limit: { type: 'int', default: 1000, nullable: true, ours: true },
  /** What is refused as too big: `maxBodyBytes`, `maxDepth`, `maxRatio` (of compression). */
  limits: { type: 'any', default: {}, ours: true },
} as const

/** What the name of a setting of a backend or a framework that is not here begins with: ignored with a warning. */
export const FOREIGN_PREFIXES = [
  'arangodb_',
  'azureblockblob_',
  'cassandra_',
  'cosmosdbsql_',
  'couchbase_',
  'dynamodb_',
  'elasticsearch_',
  'gcs_',
  'mongodb_',
  's3_',
] as const

type Table = typeof SETTINGS
export type SettingName = keyof Table

/** `task_acks_late` as `taskAcksLate`. */
export type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S

interface Basic {
  string: string
  int: number
  float: number
  seconds: number
  bool: boolean
  list: readonly string[]
  dict: Readonly<Record<string, unknown>>
  any: unknown
}

/** Null stands in the type where it is the default or is allowed, unless another setting is derived. */
type Nullable<K extends SettingName> = Table[K]['default'] extends null
  ? null
  : Table[K] extends { nullable: true }
    ? null
    : never

type Value<K extends SettingName> = Table[K] extends { choices: readonly (infer C)[] }
  ? C
  : Basic[Table[K]['type']]

type Resolved<K extends SettingName> = K extends keyof Structured
  ? Structured[K]
  : Value<K> | Nullable<K>

type Input<K extends SettingName> = K extends keyof StructuredInput
  ? StructuredInput[K]
  : (Table[K]['type'] extends 'seconds' ? StructuredInput['seconds'] : Value<K>) | Nullable<K>

/** All settings as the app reads them: resolved, nothing missing. */
export type Settings = { readonly [K in SettingName as Camel<K>]: Resolved<K> }

/** The same, to be assigned to: `app.conf.taskSerializer = 'msgpack'`. */
export type Conf = { -readonly [K in keyof Settings]: Settings[K] }

/** What the constructor takes. */
export type SettingsInput = { readonly [K in SettingName as Camel<K>]?: Input<K> | undefined }

/** `task_acks_late` as `taskAcksLate`. */
export function camelCase(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** `taskAcksLate` as `task_acks_late`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
