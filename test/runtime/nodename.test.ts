/** Node names: made, split, expanded. */

import { expect } from 'chai'
import { hostname } from 'node:os'
import {
  anonNodename,
  defaultNodename,
  hostFormat,
  nodeFormat,
  nodename,
  nodesplit,
} from '../../src/runtime/nodename.ts'

describe('node names', () => {
  it('are a name and a host', () => {
    expect(nodename('w1', 'example.com')).to.equal('w1@example.com')
    expect(nodesplit('w1@example.com')).to.deep.equal(['w1', 'example.com'])
    expect(nodesplit('w1@a@b')).to.deep.equal(['w1', 'a@b'])
    expect(nodesplit('example.com')).to.deep.equal([null, 'example.com'])
  })

  it('of a process that is no worker tell its pid', () => {
    expect(anonNodename('h')).to.equal(`gen${process.pid}@h`)
  })

  it('are celery at this machine by default', () => {
    expect(defaultNodename()).to.equal(`celery@${hostname()}`)
    expect(defaultNodename('w1@')).to.equal(`w1@${hostname()}`)
    expect(defaultNodename('@h')).to.equal('celery@h')
  })

  it('expand host, name and domain', () => {
    const host = 'george.example.com'
    expect(hostFormat('w1@%h', host)).to.equal('w1@george.example.com')
    expect(hostFormat('w1@%n.%d', host)).to.equal('w1@george.example.com')
    expect(hostFormat('w1@%n', host)).to.equal('w1@george')
    expect(hostFormat('%d', 'short')).to.equal('')
    expect(hostFormat('100%% %i%I %x', host)).to.equal('100% 0 %x')
    expect(nodeFormat('%n-%h.%p', 'w1@h')).to.equal('w1-h.w1@h')
  })
})
