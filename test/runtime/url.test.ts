/** Broker URLs, as kombu 5.6.2 reads and shows them. */

import { expect } from 'chai'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { amqpAddress, amqpUrl, parseUrl, redactUrl, splitUrls } from '../../src/runtime/url.ts'

/** URL, then what `kombu.utils.url.url_to_parts` of 5.6.2 answers, None left out. */
const PARTS: readonly (readonly [string, object])[] = [
  ['amqp://', { scheme: 'amqp' }],
  ['amqp://h', { scheme: 'amqp', hostname: 'h' }],
  ['amqp://h/', { scheme: 'amqp', hostname: 'h' }],
  ['amqp://h//', { scheme: 'amqp', hostname: 'h', path: '/' }],
  ['amqp://h/%2f', { scheme: 'amqp', hostname: 'h', path: '/' }],
  ['amqp://h/name', { scheme: 'amqp', hostname: 'h', path: 'name' }],
  ['amqp://h/a%2Fb', { scheme: 'amqp', hostname: 'h', path: 'a/b' }],
  ['amqp://h//foo', { scheme: 'amqp', hostname: 'h', path: '/foo' }],
  ['amqp://h/v/w', { scheme: 'amqp', hostname: 'h', path: 'v/w' }],
  ['amqp://u@h:1234/v', { scheme: 'amqp', hostname: 'h', port: 1234, username: 'u', path: 'v' }],
  ['amqp://u:p%40ss@h', { scheme: 'amqp', hostname: 'h', username: 'u', password: 'p@ss' }],
  ['amqp://u:p:q@h', { scheme: 'amqp', hostname: 'h', username: 'u', password: 'p:q' }],
  [
    'amqp://u:a@b@h/v',
    { scheme: 'amqp', hostname: 'h', username: 'u', password: 'a@b', path: 'v' },
  ],
  ['amqp://u:@h', { scheme: 'amqp', hostname: 'h', username: 'u' }],
  ['pyamqp://[::1]:5673/x', { scheme: 'pyamqp', hostname: '::1', port: 5673, path: 'x' }],
  ['redis://:pw@h/3', { scheme: 'redis', hostname: 'h', password: 'pw', path: '3' }],
  ['redis+socket:///tmp/r.sock', { scheme: 'redis+socket', path: 'tmp/r.sock' }],
  ['memory://', { scheme: 'memory' }],
]

/** URL, then what `Connection(url).as_uri()` answers. */
const ADDRESSES: readonly (readonly [string, string])[] = [
  ['amqp://', 'amqp://guest:**@localhost:5672//'],
  ['amqp://h', 'amqp://guest:**@h:5672//'],
  ['amqp://h//', 'amqp://guest:**@h:5672//'],
  ['amqp://h/%2f', 'amqp://guest:**@h:5672//'],
  ['amqp://h/name', 'amqp://guest:**@h:5672/name'],
  ['amqp://h/a%2Fb', 'amqp://guest:**@h:5672/a/b'],
  ['amqp://h//foo', 'amqp://guest:**@h:5672//foo'],
  ['amqp://u@h:1234/v', 'amqp://u:**@h:1234/v'],
  ['amqps://u:p@h', 'amqps://u:**@h:5671//'],
]

describe('a broker URL', () => {
  for (const [url, parts] of PARTS) {
    it(`${url} has the parts that kombu finds`, () => {
      const { query, ...found } = parseUrl(url)
      expect(found).to.deep.equal(parts)
      expect([...query]).to.deep.equal([])
    })
  }

  for (const [url, address] of ADDRESSES) {
    it(`${url} is shown as ${address}`, () => {
      expect(amqpAddress(amqpUrl(url))).to.equal(address)
    })
  }

  it('has options in its query', () => {
    const { query } = parseUrl('rediss://h:6380/1?ssl_cert_reqs=none&a=b%20c')
    expect(Object.fromEntries(query)).to.deep.equal({ ssl_cert_reqs: 'none', a: 'b c' })
    expect(amqpUrl('amqp://h/?heartbeat=10&connect_timeout=2')).to.include({
      heartbeat: 10,
      connectTimeout: 2,
    })
  })

  it('asks for TLS by its scheme or by ?ssl=true', () => {
    expect(amqpUrl('amqps://h')).to.include({ tls: true, port: 5671 })
    expect(amqpUrl('amqp://h?ssl=true')).to.include({ tls: true, port: 5671 })
    expect(amqpUrl('amqp://h')).to.include({ tls: false, port: 5672 })
  })

  it('that is none is refused without repeating it', () => {
    for (const url of [
      'secret',
      'amqp:secret',
      'amqp://u:secret@h:99999',
      'amqp://u:secret%zz@h',
    ]) {
      expect(() => parseUrl(url))
        .to.throw(ImproperlyConfigured)
        .with.property('message')
        .that.does.not.contain('secret')
    }
    expect(() => amqpUrl('amqp://h?heartbeat=soon')).to.throw(ImproperlyConfigured, 'heartbeat')
  })

  it('is shown without its password, wherever that stands', () => {
    const url = 'amqp://u:s3cret@h/v;redis://:s3cret@h:1/0?password=s3cret&a=1'
    const shown = 'amqp://u:**@h/v;redis://:**@h:1/0?password=**&a=1'
    expect(redactUrl(url)).to.equal(shown)
    expect(redactUrl('failed at amqp://u:s3c@ret@h: refused')).to.equal(
      'failed at amqp://u:**@h: refused',
    )
    expect(redactUrl('amqp://h/a:b@c')).to.equal('amqp://h/a:b@c')
  })

  it('may be a list, in which sentinels stay together', () => {
    expect(splitUrls('amqp://a;amqp://b; ')).to.deep.equal(['amqp://a', 'amqp://b'])
    expect(splitUrls(['amqp://a', 'amqp://b;amqp://c'])).to.have.length(3)
    expect(splitUrls('sentinel://a:1/0;sentinel://b:2')).to.deep.equal([
      'sentinel://a:1/0;sentinel://b:2',
    ])
  })
})
