/** Whether the URL chooses the backend. */

import { expect } from 'chai'
import { openBackend } from '../../src/backends/open.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'
import { backendDeps } from '../support/backend.ts'

describe('the URL of a result backend', () => {
  const named = (url: string | null): string => openBackend(url, backendDeps()).constructor.name

  it('chooses the backend by its scheme', () => {
    expect(named('redis://localhost/1')).to.equal('RedisBackend')
    expect(named('rediss://localhost/1')).to.equal('RedisBackend')
    expect(named('redis+socket:///tmp/x.sock')).to.equal('RedisBackend')
    expect(named('sentinel://h:26379/0;sentinel://g')).to.equal('RedisBackend')
    expect(named('rpc://')).to.equal('RpcBackend')
    expect(named('rpc')).to.equal('RpcBackend')
    expect(named('memory://')).to.equal('MemoryBackend')
    expect(named('cache+memory://')).to.equal('MemoryBackend')
    expect(named('disabled')).to.equal('DisabledBackend')
    expect(named(null)).to.equal('DisabledBackend')
  })

  it('hides the password in the address', () => {
    const { address } = openBackend('redis://user:secret@localhost/1', backendDeps())
    expect(address).to.contain('localhost').and.not.contain('secret')
  })

  it('refuses an unknown scheme and names the known ones, without the URL', () => {
    const open = (): unknown => openBackend('db+mysql://user:secret@h/db', backendDeps())
    expect(open).to.throw(ImproperlyConfigured, /db\+mysql.*redis:\/\/.*rpc:\/\//)
    expect(open).to.not.throw(/secret/)
  })
})
