/** Which queue a task goes to. */

import { expect } from 'chai'
import { Router } from '../../src/app/routes.ts'
import { Configuration } from '../../src/conf/resolve.ts'
import { ImproperlyConfigured } from '../../src/errors.ts'

function router(taskRoutes: unknown): (name: string) => unknown {
  const configuration = new Configuration({}, () => {})
  configuration.update({ taskRoutes }, 'change')
  const routes = new Router(configuration.conf)
  return (name) => routes.route({ name, args: [1], kwargs: { k: 2 }, options: {}, task: undefined })
}

describe('routes', () => {
  it('are a queue, or options in either spelling', () => {
    const route = router({
      a: 'q',
      b: { queue: 'q', routing_key: 'k', delivery_mode: 'transient' },
    })
    expect(route('a')).to.deep.equal({ queue: 'q' })
    expect(route('b')).to.deep.equal({ queue: 'q', routingKey: 'k', deliveryMode: 1 })
    expect(route('c')).to.equal(undefined)
  })

  it('ask exact names first, then patterns in their order', () => {
    const route = router({ 'a.*': 'q1', 'a.b': 'q2', 'a.b*': 'q3' })
    expect(route('a.b')).to.deep.equal({ queue: 'q2' })
    expect(route('a.bc')).to.deep.equal({ queue: 'q1' })
  })

  it('may be a list of pairs, with regular expressions that begin at the start', () => {
    const route = router([
      [/ml\.(embed|rank)/, 'gpu'],
      [/x/gi, 'x'],
      ['a.*', 'q1'],
      ['a.b', 'q2'],
    ])
    expect(route('ml.embed.fast')).to.deep.equal({ queue: 'gpu' })
    expect(route('xml.embed')).to.deep.equal({ queue: 'x' })
    expect(route('X')).to.deep.equal({ queue: 'x' })
    expect(route('X')).to.deep.equal({ queue: 'x' })
    expect(route('my.ml.embed')).to.equal(undefined)
    expect(route('a.b')).to.deep.equal({ queue: 'q2' })
  })

  it('may be a function, which is asked each time', () => {
    const asked: unknown[] = []
    const route = router((...args: unknown[]) => {
      asked.push(args)
      return args[0] === 'a' ? 'q' : null
    })
    expect(route('a')).to.deep.equal({ queue: 'q' })
    expect(route('b')).to.equal(undefined)
    expect(asked[0]).to.deep.equal(['a', [1], { k: 2 }, {}, undefined])
  })

  it('may be several: the first that answers counts', () => {
    const route = router([
      { a: 'q1' },
      [
        ['a', 'q2'],
        [/b/, 'q3'],
      ],
      () => ({ queue: 'last' }),
    ])
    expect(route('a')).to.deep.equal({ queue: 'q1' })
    expect(route('b')).to.deep.equal({ queue: 'q3' })
    expect(route('c')).to.deep.equal({ queue: 'last' })
  })

  it('give the same answer from their memory', () => {
    const route = router({ 'a.*': 'q' })
    for (let i = 0; i < 12_000; i++) expect(route(`a.${i % 6000}`)).to.deep.equal({ queue: 'q' })
  })

  it('refuse what is no route, by name', () => {
    expect(() => router({ a: { queu: 'q' } })).to.throw(
      ImproperlyConfigured,
      "setting 'taskRoutes' for 'a' has no option 'queu'; did you mean 'queue'?",
    )
    expect(() => router({ a: { queue: 5 } })).to.throw("option 'queue'")
    expect(() => router('proj.routers.Router')).to.throw('give the function itself')
    expect(() => router(5)).to.throw('must be an object, a list of pairs or a function')
    expect(() => router(() => ({ nope: 1 }))('t')).to.throw(
      "the route for 't' has no option 'nope'",
    )
  })
})
