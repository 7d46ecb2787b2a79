/** Redis URLs, read as kombu reads them, except that TLS is verified. */

import { expect } from 'chai'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { parseRedisUrl } from '../../src/runtime/redis-url.ts'

describe('a Redis URL', () => {
  it('names host, port, database, user and password', () => {
    expect(parseRedisUrl('redis://me:p%40s%2Fs@redis.example:6380/5')).to.deep.include({
      host: 'redis.example',
      port: 6380,
      db: 5,
      username: 'me',
      password: 'p@s/s',
      path: undefined,
      tls: undefined,
      display: 'redis://redis.example:6380/5',
    })
  })

  it('has defaults for all of them', () => {
    for (const url of ['redis://', 'redis://localhost', 'redis:///', 'redis://localhost/']) {
      const { host, port, db, username, password } = parseRedisUrl(url)
      expect([host, port, db, username, password], url).to.deep.equal([
        'localhost',
        6379,
        0,
        undefined,
        undefined,
      ])
    }
  })

  it('takes a password without a user, and IPv6', () => {
    const address = parseRedisUrl('redis://:secret@[::1]:7000/1')
    expect(address).to.deep.include({ host: '::1', port: 7000, password: 'secret', db: 1 })
    expect(address.username).to.equal(undefined)
    expect(address.display).to.equal('redis://[::1]:7000/1')
  })

  it('names a unix socket, and its database by virtual_host', () => {
    const address = parseRedisUrl('redis+socket:///var/run/redis.sock?virtual_host=3')
    expect(address).to.deep.include({ path: '/var/run/redis.sock', db: 3 })
    expect(parseRedisUrl('redis+socket://:pw@/tmp/a.sock')).to.deep.include({
      path: '/tmp/a.sock',
      password: 'pw',
      db: 0,
      display: 'redis+socket:///tmp/a.sock',
    })
  })

  it('names sentinels; user, password and database are those of the first', () => {
    const address = parseRedisUrl('sentinel://:pw@one:1/2;sentinel://two;sentinel://three:3/9')
    expect(address).to.deep.include({ db: 2, password: 'pw' })
    expect(address.sentinels).to.deep.equal([
      { host: 'one', port: 1 },
      { host: 'two', port: 26379 },
      { host: 'three', port: 3 },
    ])
  })

  it('is verified TLS when it says rediss, or has any ssl_ argument', () => {
    for (const url of [
      'rediss://h/0',
      'rediss://h/0?ssl_cert_reqs=required',
      'rediss://h/0?ssl_cert_reqs=CERT_OPTIONAL',
      'redis://h/0?ssl_check_hostname=true',
    ]) {
      expect(parseRedisUrl(url).tls, url).to.include({
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
      })
    }
    for (const value of ['none', 'CERT_NONE']) {
      const { tls } = parseRedisUrl(`rediss://h/0?ssl_cert_reqs=${value}`)
      expect(tls?.rejectUnauthorized, value).to.equal(false)
    }
  })

  it('is refused, without being repeated, when something in it is wrong', () => {
    for (const url of [
      'nonsense SECRET',
      'amqp://u:SECRET@h',
      'redis://u:SECRET@h/name',
      'redis://u:SECRET@h:99999/0',
      'redis://u:SECRET@h/0?foo=1',
      'rediss://u:SECRET@h/0?ssl_cert_reqs=maybe',
      'rediss://u:SECRET@h/0?ssl_ca_certs=/not/there.pem',
    ]) {
      expect(() => parseRedisUrl(url), url)
        .to.throw(ImproperlyConfigured)
        .with.property('message')
        .that.does.not.include('SECRET')
    }
  })
})
