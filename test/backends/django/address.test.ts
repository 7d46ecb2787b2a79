/** Whether the URL of the result backend, or DATABASE_URL, tells where Django's database is. */

import { expect } from 'chai'
import { djangoDatabaseUrl } from '../../../src/backends/django/address.ts'
import { ImproperlyConfigured } from '../../../src/errors.ts'

describe('the address of a Django database', () => {
  it('stands behind the plus', () => {
    for (const url of ['postgresql://u:p%40@h:1/d', 'mysql://h/d', 'sqlite:////tmp/db.sqlite3']) {
      expect(djangoDatabaseUrl(`django-db+${url}`, {})).to.equal(url)
    }
  })

  it('is else that of DATABASE_URL, under any name that Django projects have for a database', () => {
    const read = (url: string): string => djangoDatabaseUrl('django-db', { DATABASE_URL: url })
    expect(read('postgres://u:p@h/d')).to.equal('postgresql://u:p@h/d')
    expect(read('postgis://h/d')).to.equal('postgresql://h/d')
    expect(read('mysql2://h/d')).to.equal('mysql://h/d')
    expect(read('mysql+connector://h/d')).to.equal('mysql://h/d')
    expect(read('sqlite:///db.sqlite3')).to.equal('sqlite:///db.sqlite3')
  })

  it('may be given to a bare scheme with slashes', () => {
    const env = { DATABASE_URL: 'sqlite:///x' }
    expect(djangoDatabaseUrl('django-db://', env)).to.equal('sqlite:///x')
  })

  it('is asked for with its forms where nobody gives it', () => {
    expect(() => djangoDatabaseUrl('django-db', {})).to.throw(
      ImproperlyConfigured,
      /DATABASE_URL.*django-db\+postgresql:\/\/.*mysql.*sqlite/,
    )
    const wrong = (): string => djangoDatabaseUrl('django-db://u:secret@h/d', {})
    expect(wrong).to.throw(ImproperlyConfigured, /django-db\+postgresql/)
    expect(wrong).to.not.throw(/secret/)
  })
})
