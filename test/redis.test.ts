/** Opening a Redis connection: what it accepts, what it refuses, and what its errors give away. */

import { expect } from 'chai'
import { mkdtempSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImproperlyConfigured, OperationalError } from '../src/errors.ts'
import { openRedis, redisFault, type RedisConnectOptions } from '../src/redis.ts'
import { rejection } from './contracts/transport.ts'
import { certificates } from './support/certificates.ts'
import { redisUrl, startRedis, type RedisServer } from './support/services.ts'

/** A server that answers every INFO with this, and all else with OK. */
async function pretender(info: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => {
      for (const command of data.toString().matchAll(/^\*\d+\r\n\$\d+\r\n(\w+)/gm)) {
        const bulk = `$${info.length}\r\n${info}\r\n`
        socket.write(command[1]?.toLowerCase() === 'info' ? bulk : '+OK\r\n')
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

async function openTo(server: Server, options?: RedisConnectOptions): Promise<unknown> {
  const { port } = server.address() as AddressInfo
  try {
    return await rejection(openRedis(`redis://u:SECRET@127.0.0.1:${port}/0`, options))
  } finally {
    server.close()
  }
}

describe('a Redis connection', () => {
  it('is ready when it is opened, on the database of the URL', async () => {
    const url = await redisUrl()
    const client = await openRedis(url, { clientName: 'celeriac-test' })
    const info = await client.client('INFO')
    expect(info).to.match(/name=celeriac-test /)
    expect(info).to.include(` db=${new URL(url).pathname.slice(1)} `)
    client.disconnect()
  })

  it('fails with a reason, and without the password, where nobody listens', async () => {
    const error = await rejection(openRedis('redis://u:SECRET@127.0.0.1:1/0'))
    expect(error).to.be.instanceOf(OperationalError)
    expect(String(error)).to.match(/redis:\/\/127\.0\.0\.1:1\/0: .*ECONNREFUSED/)
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).to.not.include('SECRET')
  })

  it('leaves no timer behind when it has failed', async () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const left: number[] = []
    for (let i = 0; i < 3; i++) {
      await rejection(openRedis('redis://127.0.0.1:1/0'))
      left.push(timers())
    }
    expect(left[2]).to.equal(left[0])
  })

  it('fails within its time when the other side says nothing', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const error = await openTo(silent, { connectTimeout: 0.2 })
    expect(error).to.be.instanceOf(OperationalError)
    expect(String(error)).to.include('within 0.2 s')
  })

  it('fails when the password is wrong, and does not show it', async () => {
    const server = await startRedis({ args: ['--requirepass', 'right'] })
    const url = server.url.replace('redis://', 'redis://:SECRET@')
    const error = await rejection(openRedis(url))
    expect(error).to.be.instanceOf(OperationalError)
    expect(String(error)).to.match(/WRONGPASS|invalid/)
    const { cause } = error as OperationalError
    expect(JSON.stringify(cause, Object.getOwnPropertyNames(cause))).to.not.include('SECRET')
    await server.stop()
  })

  it('ends its wait when the signal aborts', async () => {
    const error = await rejection(openRedis(await redisUrl(), {}, AbortSignal.abort()))
    expect(error).to.have.property('code', 'ERR_ABORTED')
  })

  it('refuses a server that is too old, a cluster, and a replica', async () => {
    const old = await openTo(await pretender('redis_version:6.0.16\r\nrole:master\r\n'))
    expect(old).to.be.instanceOf(ImproperlyConfigured)
    expect(String(old)).to.include('6.0.16; 6.2 or later is needed')
    const cluster = await openTo(await pretender('redis_version:7.2.0\r\nredis_mode:cluster\r\n'))
    expect(cluster).to.be.instanceOf(ImproperlyConfigured)
    expect(String(cluster)).to.include('Redis Cluster')
    const replica = await openTo(await pretender('redis_version:7.2.0\r\nrole:slave\r\n'))
    expect(replica).to.be.instanceOf(OperationalError)
  })

  it('needs the name of the master to ask sentinels for', async () => {
    const error = await rejection(openRedis('sentinel://127.0.0.1:1/0'))
    expect(error).to.be.instanceOf(ImproperlyConfigured)
    expect(String(error)).to.include('masterName')
    const failed = await rejection(openRedis('sentinel://127.0.0.1:1/0', { masterName: 'm' }))
    expect(failed).to.be.instanceOf(OperationalError)
  })

  it('speaks by way of a unix socket', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'celeriac-sock-')), 'r.sock')
    const server = await startRedis({ args: ['--unixsocket', path] })
    const client = await openRedis(`redis+socket://${path}?virtual_host=2`)
    expect(await client.client('INFO')).to.include(' db=2 ')
    client.disconnect()
    await server.stop()
  })

  describe('by TLS', () => {
    let server: RedisServer
    let file: (name: string) => string
    let url: (query?: string) => string
    before(async () => {
      file = certificates()
      const { port } = await new Promise<AddressInfo>((resolve) => {
        const probe = createServer().listen(0, '127.0.0.1', () => {
          const address = probe.address() as AddressInfo
          probe.close(() => resolve(address))
        })
      })
      const tls = ['--tls-cert-file', file('s.crt'), '--tls-key-file', file('s.key')]
      const ca = ['--tls-ca-cert-file', file('ca.crt'), '--tls-auth-clients', 'no']
      server = await startRedis({ args: ['--tls-port', String(port), ...tls, ...ca] })
      url = (query = ''): string => `rediss://localhost:${port}/0${query}`
    })
    after(() => server.stop())

    it('refuses a certificate that nobody vouches for', async () => {
      const error = await rejection(openRedis(url()))
      expect(error).to.be.instanceOf(OperationalError)
      expect(String(error)).to.match(/certificate|self.signed|issuer/i)
    })

    it('accepts one of a CA that it was given, for the right name only', async () => {
      const client = await openRedis(url(`?ssl_ca_certs=${file('ca.crt')}`))
      client.disconnect()
      const other = url(`?ssl_ca_certs=${file('ca.crt')}`).replace('localhost', '127.0.0.1')
      expect(String(await rejection(openRedis(other)))).to.match(/altnames|IP/i)
    })

    it('accepts any when told so, and says that it does', async () => {
      const warnings: string[] = []
      const onInsecure = (message: string): void => void warnings.push(message)
      const client = await openRedis(url('?ssl_cert_reqs=none'), { onInsecure })
      client.disconnect()
      expect(warnings).to.have.length(1)
    })
  })
})

describe('a fault of Redis', () => {
  const CASES: Readonly<Record<string, ReturnType<typeof redisFault>>> = {
    "OOM command not allowed when used memory > 'maxmemory'.": 'busy',
    'ERR Error running script (call to f_1): @user_script:12: -OOM command not allowed': 'busy',
    'MISCONF Redis is configured to save RDB snapshots': 'busy',
    'BUSY Redis is busy running a script.': 'busy',
    'NOSCRIPT No matching script. Please use EVAL.': 'noscript',
    "READONLY You can't write against a read only replica.": 'lost',
    'LOADING Redis is loading the dataset in memory': 'lost',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": 'lost',
    'Connection is closed.': 'lost',
    'read ECONNRESET': 'lost',
    'WRONGTYPE Operation against a key holding the wrong kind of value': 'refused',
    "ERR unknown command 'FOO'": 'refused',
    "NOPERM this user has no permissions to run the 'lpush' command": 'refused',
  }
  for (const [message, fault] of Object.entries(CASES)) {
    it(`is '${fault}' when it says: ${message}`, () => {
      expect(redisFault(new Error(message))).to.equal(fault)
    })
  }
})
