/** Names of call options, on the wire and here. */

import { expect } from 'chai'
import { fromWireOptions, toWireOptions } from '../../protocol/call-options.ts'

describe('the options of a call', () => {
  it('have one name on the wire and one with us, both ways', () => {
    const ours = { taskId: 'a', routingKey: 'k', softTimeLimit: 5, groupIndex: 0, linkError: [] }
    const wire = {
      task_id: 'a',
      routing_key: 'k',
      soft_time_limit: 5,
      group_index: 0,
      link_error: [],
    }
    expect(toWireOptions(ours)).to.deep.equal(wire)
    expect(fromWireOptions(wire)).to.deep.equal(ours)
  })

  it('have stamps and properties as options of their own on the wire', () => {
    const ours = { stamps: { tenant: 'a' }, properties: { hint: 1 } }
    const wire = { hint: 1, tenant: 'a', stamped_headers: ['tenant'] }
    expect(toWireOptions(ours)).to.deep.equal(wire)
    expect(fromWireOptions(wire)).to.deep.equal(ours)
  })

  it('leave out what is null, and what is meant for a Python sender', () => {
    const wire = { queue: null, immutable: true, producer: {}, declare: [], priority: 3 }
    expect(fromWireOptions(wire)).to.deep.equal({ priority: 3 })
  })

  it('do not take a stamp that is not there, nor names that are no list', () => {
    expect(fromWireOptions({ stamped_headers: ['absent'] })).to.deep.equal({ stamps: {} })
    expect(fromWireOptions({ stamped_headers: 'x' })).to.deep.equal({})
  })
})
