/** Hooks: who is told, and what their errors do. */

import { expect } from 'chai'
import { SILENT } from '../../src/runtime/log.ts'
import { Signal } from '../../src/runtime/signal.ts'

describe('a signal', () => {
  it('calls its receivers in the order in which they were connected, and waits for each', async () => {
    const signal = new Signal<number>('numbers')
    const heard: string[] = []
    signal.connect(async (n) => {
      await Promise.resolve()
      heard.push(`first ${n}`)
    })
    signal.connect((n) => void heard.push(`second ${n}`))
    await signal.send('sender', 1, SILENT)
    expect(heard).to.deep.equal(['first 1', 'second 1'])
  })

  it('tells a receiver only of the sender that it asked for', async () => {
    const signal = new Signal<number>('numbers')
    const heard: number[] = []
    signal.connect((n) => void heard.push(n), { sender: 'shop.add' })
    await signal.send('shop.mul', 1, SILENT)
    await signal.send('shop.add', 2, SILENT)
    expect(heard).to.deep.equal([2])
  })

  it('logs what a receiver throws, and calls the others', async () => {
    const signal = new Signal<number>('numbers')
    const heard: number[] = []
    const lines: string[] = []
    signal.connect(function broken() {
      throw new Error('boom')
    })
    signal.connect((n) => void heard.push(n))
    await signal.send('sender', 1, { ...SILENT, error: (line) => lines.push(line) })
    expect(heard).to.deep.equal([1])
    expect(lines[0]).to.match(/^Signal handler broken of numbers raised: Error: boom/)
  })

  it('is not active before somebody connects, nor after all have gone', () => {
    const signal = new Signal<number>('numbers')
    const receiver = (): void => {}
    expect(signal.active).to.equal(false)
    const disconnect = signal.connect(receiver)
    expect(signal.active).to.equal(true)
    disconnect()
    expect(signal.active).to.equal(false)
    signal.connect(receiver)
    expect(signal.disconnect(receiver)).to.equal(true)
    expect(signal.disconnect(receiver)).to.equal(false)
    expect(signal.active).to.equal(false)
  })

  it('lets a receiver disconnect while it is called', async () => {
    const signal = new Signal<number>('numbers')
    const heard: string[] = []
    const disconnect = signal.connect(() => {
      heard.push('once')
      disconnect()
    })
    signal.connect(() => void heard.push('always'))
    await signal.send('sender', 1, SILENT)
    await signal.send('sender', 2, SILENT)
    expect(heard).to.deep.equal(['once', 'always', 'always'])
  })
})
