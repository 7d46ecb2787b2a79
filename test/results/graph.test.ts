/** Whether what depends on what is drawn as Celery draws it. */

import { expect } from 'chai'
import { DependencyGraph } from '../../src/results/graph.ts'

describe('a graph of dependencies', () => {
  const graph = new DependencyGraph<string>({ root: 'a', shape: 'oval' })
  graph.addArc('a')
  graph.addEdge('a', 'b')
  graph.addEdge('a', 'g')
  graph.addEdge('g', 'c')

  it('is drawn in the words of Celery 5.6', () => {
    const all = 'arrowhead="vee", style="filled", fontname="HelveticaNeue"'
    const inner = 'fillcolor="palegreen3", color="palegreen4"'
    const leaf = 'fillcolor="palegreen1", color="palegreen2"'
    const edge = 'color="darkseagreen4", arrowcolor="black", arrowsize="0.7"'
    expect(graph.toDot()).to.equal(
      [
        'digraph dependencies {',
        `    graph [shape="oval", ${all}, bgcolor="mintcream", root="a"]`,
        `    "a" [shape="oval", ${all}, ${inner}]`,
        `    "a" -> "b" [shape="oval", ${all}, ${edge}]`,
        `    "a" -> "g" [shape="oval", ${all}, ${edge}]`,
        `    "b" [shape="oval", ${all}, ${leaf}]`,
        `    "g" [shape="oval", ${all}, ${inner}]`,
        `    "g" -> "c" [shape="oval", ${all}, ${edge}]`,
        `    "c" [shape="oval", ${all}, ${leaf}]`,
        '}',
        '',
      ].join('\n'),
    )
  })

  it('is drawn as it is told', () => {
    const dot = graph.toDot({ id: 'mine', type: 'graph', scheme: { style: 'dashed' } })
    expect(dot).to.match(/^graph mine \{\n {4}graph \[shape="box".*style="dashed"/)
    expect(dot).to.include('"a" -- "b"')
  })

  it('cannot be broken out of by an id', () => {
    const hostile = new DependencyGraph<string>()
    hostile.addArc('x"] } evil { "\\')
    expect(hostile.toDot()).to.include('"x\\"] } evil { \\"\\\\" [')
  })

  it('tells what leads where, and what must be done first', () => {
    expect([graph.size, graph.has('g'), graph.has('z')]).to.deep.equal([4, true, false])
    expect(graph.edges()).to.deep.equal(['a', 'g'])
    expect(graph.adjacent('a')).to.deep.equal(['b', 'g'])
    expect(graph.topsort()).to.deep.equal(['b', 'c', 'g', 'a'])
    expect(String(graph)).to.equal('a\n     b\n     g\nb\ng\n     c\nc')
  })

  it('is sorted, too, when it runs in a circle or is very deep', () => {
    const circle = new DependencyGraph<string>()
    circle.addEdge('a', 'b')
    circle.addEdge('b', 'a')
    expect(circle.topsort()).to.have.members(['a', 'b'])
    const deep = new DependencyGraph<string>()
    for (let n = 0; n < 3_000; n += 1) deep.addEdge(`${n}`, `${n + 1}`)
    expect(deep.topsort()[0]).to.equal('3000')
  })
})
