/** Where a setting comes from, and which values are refused. */

import { expect } from 'chai'
import { Configuration, oldName, readSettings, settingName } from '../../src/conf/resolve.ts'
import { SETTINGS, type Conf, type SettingName } from '../../src/conf/settings.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'

function configure(source: object, env: Record<string, string> = {}): Conf {
  const configuration = new Configuration(env, () => {})
  configuration.update(source, 'change')
  return configuration.conf
}

describe('the names of settings', () => {
  it('may be given in camelCase, in snake_case and as in Celery 3', () => {
    for (const name of ['taskAcksLate', 'task_acks_late', 'CELERY_ACKS_LATE', 'TASK_ACKS_LATE']) {
      expect(settingName(name), name).to.equal('task_acks_late')
    }
  })

  it('follow Celery 3 where its prefixes were others', () => {
    const names: [SettingName, string][] = [
      ['worker_concurrency', 'CELERYD_CONCURRENCY'],
      ['beat_schedule', 'CELERYBEAT_SCHEDULE'],
      ['result_expires', 'CELERY_TASK_RESULT_EXPIRES'],
      ['task_time_limit', 'CELERYD_TASK_TIME_LIMIT'],
      ['task_compression', 'CELERY_MESSAGE_COMPRESSION'],
      ['redis_socket_timeout', 'CELERY_REDIS_SOCKET_TIMEOUT'],
    ]
    for (const [name, old] of names) expect(oldName(name)).to.equal(old)
  })

  it('have no double among all their spellings', () => {
    const names = Object.keys(SETTINGS) as SettingName[]
    expect(new Set(names.map(oldName)).size).to.equal(names.length)
  })

  it('name the nearest when one is unknown', () => {
    expect(() => configure({ task_ack_late: true })).to.throw(
      ImproperlyConfigured,
      "unknown setting 'task_ack_late'; did you mean 'task_acks_late'?",
    )
    expect(() => configure({ brokerUlr: 'x' })).to.throw("did you mean 'brokerUrl'?")
    expect(() => configure({ zzzzzzzzzzzz: 1 })).to.throw(/^unknown setting 'zzzzzzzzzzzz'$/)
  })

  it('are refused when two of them are one setting', () => {
    expect(() => configure({ taskAcksLate: true, task_acks_late: true })).to.throw('given twice')
  })

  it('never reach into the prototype', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      expect(settingName(name), name).to.equal(undefined)
    }
    expect(() => configure(JSON.parse('{"__proto__": {"taskAcksLate": true}}'))).to.throw('unknown')
  })
})

describe('the values of settings', () => {
  it('are refused when their type is wrong, without telling the value', () => {
    const wrong: [object, string][] = [
      [{ taskSerializer: 1 }, "setting 'taskSerializer' must be a string, not a number"],
      [{ workerConcurrency: 1.5 }, 'must be a whole number'],
      [{ taskAcksLate: 'yes' }, 'must be true or false, not a string'],
      [{ resultExpires: 'soon' }, 'must be a number of seconds, or a duration, not a string'],
      [{ acceptContent: [1] }, 'must be a list of strings, not a list'],
      [{ taskProtocol: 3 }, "must be one of '1', '2'"],
      [{ taskDefaultDeliveryMode: 3 }, "must be 1, 2, 'transient' or 'persistent'"],
      [{ timezone: 'Mars/Olympus' }, 'names no time zone'],
      [{ taskSerializer: null }, 'must be a string, not null'],
    ]
    for (const [source, message] of wrong) {
      expect(() => configure(source), message).to.throw(ImproperlyConfigured, message)
    }
    expect(() => configure({ brokerUrl: { secret: 'hunter2' } }))
      .to.throw()
      .not.match(/hunter2/)
  })

  it('may be durations where they are seconds', () => {
    expect(configure({ resultExpires: { hours: 1, minutes: 1 } }).resultExpires).to.equal(3660)
    expect(configure({ resultExpires: { toMillis: () => 1500 } }).resultExpires).to.equal(1.5)
    expect(configure({ resultExpires: null }).resultExpires).to.equal(null)
  })

  it('are left out when they are undefined', () => {
    expect(configure({ taskSerializer: undefined }).taskSerializer).to.equal('json')
  })

  it('read structures in both spellings', () => {
    const conf = configure({
      task_publish_retry_policy: { max_retries: 1 },
      broker_transport_options: { visibility_timeout: 60, retry_policy: { interval_max: 3 } },
      task_default_delivery_mode: 'transient',
      broker_use_ssl: { ssl_cert_reqs: 'CERT_NONE', ssl_ca_certs: '/ca.pem' },
    })
    expect(conf.taskPublishRetryPolicy).to.deep.equal({
      maxRetries: 1,
      intervalStart: 0,
      intervalStep: 0.2,
      intervalMax: 1,
    })
    expect(conf.brokerTransportOptions).to.deep.equal({
      visibilityTimeout: 60,
      retryPolicy: { intervalMax: 3 },
    })
    expect(conf.taskDefaultDeliveryMode).to.equal(1)
    expect(conf.brokerUseSsl).to.deep.equal({ rejectUnauthorized: false, caCerts: '/ca.pem' })
  })

  it('are refused where to ignore them would do harm', () => {
    expect(() => configure({ security_key: '/key.pem' })).to.throw('not supported')
    expect(() => configure({ broker_password: 'hunter2' }))
      .to.throw('brokerUrl')
      .not.match(/hunter/)
    expect(() => configure({ broker_password: null })).not.to.throw()
  })

  it('name those that have no effect here', () => {
    const { ignored } = readSettings({
      worker_timer: 'x:y',
      worker_hijack_root_logger: true,
      cassandra_servers: ['a'],
      mongodbBackendSettings: {},
    })
    expect(ignored).to.deep.equal(['worker_timer', 'cassandra_servers', 'mongodbBackendSettings'])
  })

  it('of a namespace leave all others alone', () => {
    const { values } = readSettings(
      { CELERY_TASK_ACKS_LATE: true, DEBUG: true, CELERY_BROKER_URL: 'redis://' },
      { namespace: 'CELERY' },
    )
    expect([...values]).to.deep.equal([
      ['task_acks_late', true],
      ['broker_url', 'redis://'],
    ])
  })
})

describe('resolved settings', () => {
  it('are the embedded default when there is neither a broker nor an environment', () => {
    const conf = configure({})
    expect(conf.brokerUrl).to.equal('memory://')
    expect(conf.resultBackend).to.equal('memory://')
  })

  it('have no results with a real broker, unless told', () => {
    expect(configure({ brokerUrl: 'redis://' }).resultBackend).to.equal(null)
  })

  it('let the environment go before what is configured, as Celery does', () => {
    const env = { CELERY_BROKER_URL: 'redis://env', CELERY_RESULT_BACKEND: 'rpc://' }
    const conf = configure({ brokerUrl: 'amqp://', resultBackend: 'redis://' }, env)
    expect(conf.brokerUrl).to.equal('redis://env')
    expect(conf.brokerReadUrl).to.equal('redis://env')
    expect(conf.resultBackend).to.equal('rpc://')
    expect(configure({ brokerUrl: 'amqp://' }, { CELERY_BROKER_URL: '' }).brokerUrl).to.equal(
      'amqp://',
    )
  })

  it('derive exchange and routing key from the default queue', () => {
    const conf = configure({ taskDefaultQueue: 'math' })
    expect(conf.taskDefaultExchange).to.equal('math')
    expect(conf.taskDefaultRoutingKey).to.equal('math')
  })

  it('let the constructor go before objects, whichever came first', () => {
    const configuration = new Configuration({}, () => {})
    configuration.update({ taskSerializer: 'yaml' }, 'change')
    configuration.update({ taskSerializer: 'msgpack', taskProtocol: 1 }, 'configure')
    expect(configuration.conf.taskSerializer).to.equal('yaml')
    expect(configuration.conf.taskProtocol).to.equal(1)
  })

  it('may be assigned, and tell of it', () => {
    const changed: string[] = []
    const { conf } = new Configuration({}, (name) => changed.push(name))
    conf.taskDefaultQueue = 'math'
    expect(conf.taskDefaultRoutingKey).to.equal('math')
    expect(changed).to.deep.equal(['task_default_queue'])
    expect(() => Object.assign(conf, { taskDefaultQeue: 'x' })).to.throw(TypeError)
    expect(() => Object.assign(conf, { taskDefaultQueue: 1 })).to.throw(ImproperlyConfigured)
    expect(conf.taskDefaultQueue).to.equal('math')
  })

  it('are in UTC unless told', () => {
    expect(configure({}).timezone).to.equal('UTC')
    expect(configure({ timezone: 'Europe/Prague' }).timezone).to.equal('Europe/Prague')
    expect(configure({ enableUtc: false }).timezone).to.be.a('string')
  })
})
