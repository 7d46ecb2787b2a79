/** Whether a database's URL is read as SQLAlchemy reads it. */

import { expect } from 'chai'
import { parseSqlUrl } from '../../../src/backends/sql/url.ts'
import { ImproperlyConfigured } from '../../../src/errors.ts'

describe('the URL of a database', () => {
  it('says where it is and how to log in', () => {
    expect(parseSqlUrl('db+postgresql://me:secret@db.example:5433/shop')).to.deep.include({
      dialect: 'postgresql',
      host: 'db.example',
      port: 5433,
      username: 'me',
      password: 'secret',
      database: 'shop',
      socketPath: undefined,
      tls: undefined,
    })
  })

  it('may name the driver of Python, and MariaDB', () => {
    const dialect = (url: string): string => parseSqlUrl(url).dialect
    expect(dialect('postgresql+psycopg2://h/x')).to.equal('postgresql')
    expect(dialect('database+postgresql+psycopg://h/x')).to.equal('postgresql')
    expect(dialect('db+mysql+pymysql://h/x')).to.equal('mysql')
    expect(dialect('db+mariadb+mariadbconnector://h/x')).to.equal('mysql')
    expect(dialect('sqlite+pysqlite:///x')).to.equal('sqlite')
  })

  it('has the usual ports, and takes an IPv6 address', () => {
    expect(parseSqlUrl('postgresql:///x')).to.include({ host: 'localhost', port: 5432 })
    expect(parseSqlUrl('mysql://[::1]/x')).to.include({ host: '::1', port: 3306 })
    expect(parseSqlUrl('mysql://[::1]:1/x').display).to.equal('mysql://[::1]:1/x')
  })

  it('is percent-encoded in user and password alone, as in SQLAlchemy', () => {
    const url = 'postgresql://m%40e:p%40ss%2Fw%3Ard@h/a%20b'
    expect(parseSqlUrl(url)).to.include({
      username: 'm@e',
      password: 'p@ss/w:rd',
      database: 'a%20b',
    })
    expect(parseSqlUrl('mysql://u:50%@h/x').password).to.equal('50%')
    expect(parseSqlUrl('mysql://u:a/b:c@h/x').password).to.equal('a/b:c')
  })

  it('names the file of SQLite by three slashes, or four', () => {
    expect(parseSqlUrl('db+sqlite:///results.db').database).to.equal('results.db')
    expect(parseSqlUrl('db+sqlite:////var/results.db').database).to.equal('/var/results.db')
    expect(parseSqlUrl('db+sqlite:////a%20b.db?timeout=5').database).to.equal('/a%20b.db')
    for (const url of [
      'sqlite://',
      'sqlite:///',
      'sqlite:///:memory:',
      'sqlite:///file:x?uri=true',
    ]) {
      expect(() => parseSqlUrl(url), url).to.throw(ImproperlyConfigured)
    }
  })

  it('may name a socket', () => {
    expect(parseSqlUrl('postgresql://me@/shop?host=/run/pg').socketPath).to.equal('/run/pg')
    expect(parseSqlUrl('mysql://me@/shop?unix_socket=/run/my.sock')).to.include({
      socketPath: '/run/my.sock',
      display: 'mysql:///run/my.sock/shop',
    })
  })

  it('says how certificates are checked, as libpq and PyMySQL do', () => {
    const checked = (url: string): unknown => parseSqlUrl(url).tls?.rejectUnauthorized
    expect(checked('postgresql://h/x?sslmode=disable')).to.equal(undefined)
    expect(checked('postgresql://h/x?sslmode=require')).to.equal(false)
    expect(checked('postgresql://h/x?sslmode=verify-ca')).to.equal(true)
    expect(checked('postgresql://h/x?sslmode=verify-full')).to.equal(true)
    expect(checked('postgresql://h/x?sslmode=require&host=/run/pg')).to.equal(false)
    expect(checked('postgresql://me@/x?sslmode=require&host=/run/pg')).to.equal(undefined)
    expect(checked('mysql://h/x?ssl=true')).to.equal(false)
    expect(checked('mysql://h/x?ssl_mode=VERIFY_IDENTITY')).to.equal(true)
    expect(checked('mysql://h/x?ssl_verify_cert=true&ssl=1')).to.equal(true)
    expect(() => parseSqlUrl('postgresql://h/x?sslmode=strict')).to.throw(/sslmode is one of/)
    expect(() => parseSqlUrl('postgresql://h/x?sslrootcert=/no/such.pem&sslmode=require')).to.throw(
      /sslrootcert names a file/,
    )
  })

  it('gives a timeout, and refuses what it does not know', () => {
    expect(parseSqlUrl('mysql://h/x?connect_timeout=3').connectTimeout).to.equal(3)
    expect(() => parseSqlUrl('mysql://h/x?connect_timeout=soon')).to.throw(/number of seconds/)
    expect(() => parseSqlUrl('mysql://h/x?sslmode=require')).to.throw(/no argument 'sslmode'/)
  })

  it('is never repeated in an error, for the password in it', () => {
    for (const url of [
      'postgresql:secret@h',
      'oracle://u:secret@h/x',
      'postgresql://u:secret@h:99999/x',
      'postgresql://u:secret%ff@h/x',
      'postgresql://u:secret@h/x?nonsense=1',
    ]) {
      expect(() => parseSqlUrl(url), url)
        .to.throw(ImproperlyConfigured)
        .with.property('message')
        .that.does.not.include('secret')
    }
    expect(parseSqlUrl('postgresql://me:secret@h/x').display).to.equal('postgresql://h:5432/x')
  })
})
