/** One connection that survives: lazy, with failover and retries, and an end to every wait. */

import { expect } from 'chai'
import { OperationalError } from '../../src/errors.ts'
import { Connection, type ConnectionOptions } from '../../src/messaging/connection.ts'
import type { Transport, TransportConnection } from '../../src/messaging/transport.ts'
import { SILENT } from '../../src/runtime/log.ts'
import { MemoryTransport } from '../../src/transports/memory/transport.ts'
import { rejection } from '../contracts/transport.ts'
import { until, within } from '../support/until.ts'

const RETRY = { maxRetries: null, intervalStart: 0.005, intervalStep: 0, intervalMax: 0.005 }

/** A broker that is up or down, and counts who tries. */
class Switchable implements Transport {
  readonly #memory: MemoryTransport
  readonly capabilities
  readonly address: string
  attempts = 0
  up = true

  constructor(name: string) {
    this.#memory = new MemoryTransport(`memory://${name}`)
    this.capabilities = this.#memory.capabilities
    this.address = this.#memory.address
  }

  async connect(signal?: AbortSignal): Promise<TransportConnection> {
    this.attempts += 1
    if (!this.up) throw new OperationalError(`cannot connect to ${this.address}: refused`)
    return await this.#memory.connect(signal)
  }

  async goDown(): Promise<void> {
    this.up = false
    await this.#memory.breakConnections()
  }
}

describe('a connection', () => {
  const open: Connection[] = []
  let count = 0

  afterEach(() => Promise.all(open.splice(0).map((connection) => connection.close())))

  function broker(): Switchable {
    return new Switchable(`connection-${(count += 1)}`)
  }

  function make(
    transports: readonly Transport[],
    options: Partial<ConnectionOptions> = {},
  ): Connection {
    const connection = new Connection({ transports, retry: RETRY, logger: SILENT, ...options })
    open.push(connection)
    return connection
  }

  it('opens nothing before it is needed, and then one for all who wait', async () => {
    const transport = broker()
    const connection = make([transport])
    expect(transport.attempts).to.equal(0)
    expect(connection.connected).to.equal(false)
    await Promise.all([connection.channel(), connection.channel(), connection.connect()])
    expect(transport.attempts).to.equal(1)
    expect(connection.connected).to.equal(true)
    expect(connection.generation).to.equal(1)
  })

  it('says that it is connected, and lost, each time', async () => {
    const transport = broker()
    const connection = make([transport])
    const events: string[] = []
    connection.onConnected(() => events.push('connected'))
    const unsubscribe = connection.onLost((error) => events.push(error.constructor.name))
    await connection.connect()
    await until(() => events.length === 1)
    await transport.goDown()
    await until(() => !connection.connected)
    transport.up = true
    await connection.connect()
    await until(() => events.length === 3)
    unsubscribe()
    await transport.goDown()
    await until(() => !connection.connected)
    expect(events).to.deep.equal(['connected', 'OperationalError', 'connected'])
    expect(connection.generation).to.equal(2)
  })

  it('tries again until the broker is back', async () => {
    const transport = broker()
    transport.up = false
    const connection = make([transport])
    const connecting = connection.connect()
    await until(() => transport.attempts >= 3)
    transport.up = true
    await within(5, connecting)
  })

  it('notices at once that the broker is back, however long it would wait for the next retry', async () => {
    const transport = broker()
    transport.up = false
    const lines: string[] = []
    const connection = make([transport], {
      retry: { ...RETRY, intervalStart: 60, intervalMax: 60, maxRetries: 1 },
      logger: { ...SILENT, error: (line: string) => void lines.push(line) },
    })
    const connecting = connection.connect()
    await until(() => transport.attempts >= 3)
    transport.up = true
    await within(10, connecting)
    expect(lines).to.have.length(1)
  })

  it('gives up after as many retries as allowed, with address and cause, and can be asked again', async () => {
    const transport = broker()
    transport.up = false
    const connection = make([transport], { retry: { ...RETRY, maxRetries: 2 } })
    const error = await within(5, rejection(connection.channel()))
    expect(error).to.be.instanceOf(OperationalError)
    expect((error as Error).message)
      .to.contain(transport.address)
      .and.contain('refused')
    expect(transport.attempts).to.equal(3)
    transport.up = true
    await connection.channel()
  })

  it('lets those go at the first failure who do not want to wait', async () => {
    const transport = broker()
    transport.up = false
    const connection = make([transport])
    const patient = connection.connect()
    const impatient = connection.connect(undefined, { patient: false })
    expect(await within(5, rejection(impatient))).to.be.instanceOf(OperationalError)
    transport.up = true
    await within(5, patient)
  })

  it('goes to the next broker at once, and back when that one fails', async () => {
    const [first, second] = [broker(), broker()]
    first.up = false
    const retry = { ...RETRY, intervalStart: 60, intervalMax: 60 }
    const lines: string[] = []
    const logger = { ...SILENT, error: (line: string) => void lines.push(line) }
    const connection = make([first, second], { retry, logger })
    await within(5, connection.connect())
    expect(connection.address).to.equal(second.address)
    expect(lines.join()).to.contain('Will retry using next failover.')
    first.up = true
    await second.goDown()
    await until(() => !connection.connected)
    await within(5, connection.connect())
    expect(connection.address).to.equal(first.address)
  })

  it('shuffles the brokers when told so', async () => {
    const brokers = Array.from({ length: 8 }, broker)
    const seen = new Set<string>()
    await until(async () => {
      const connection = make(brokers, { failoverStrategy: 'shuffle' })
      await connection.connect()
      seen.add(connection.address)
      return seen.size > 1
    })
  })

  it('stops trying when nobody waits any more', async () => {
    const transport = broker()
    transport.up = false
    const connection = make([transport], {
      retry: { ...RETRY, intervalStart: 30, intervalMax: 30 },
    })
    const abort = new AbortController()
    const waiting = rejection(connection.channel(abort.signal))
    await until(() => transport.attempts === 1)
    abort.abort()
    expect(await within(1, waiting)).to.have.property('code', 'ERR_ABORTED')
    transport.up = true
    await within(1, connection.connect())
    expect(transport.attempts).to.equal(2)
  })

  it('ends every wait when it is closed, and refuses afterwards', async () => {
    const transport = broker()
    transport.up = false
    const connection = make([transport])
    const waiting = rejection(connection.channel())
    await until(() => transport.attempts === 1)
    await within(1, connection.close())
    expect(await within(1, waiting)).to.be.instanceOf(OperationalError)
    expect(await rejection(connection.channel())).to.be.instanceOf(OperationalError)
    await connection.close()
  })

  it('closes a connection that opens too late', async () => {
    const memory = new MemoryTransport('memory://too-late')
    const made: TransportConnection[] = []
    let release = (): void => {}
    const slow: Transport = {
      capabilities: memory.capabilities,
      address: memory.address,
      connect: async () => {
        await new Promise<void>((resolve) => (release = resolve))
        const connection = await memory.connect()
        made.push(connection)
        return connection
      },
    }
    const connection = make([slow])
    const waiting = rejection(connection.connect())
    await connection.close()
    await waiting
    release()
    const [late] = await until(() => made.length > 0 && made)
    expect(await within(1, late?.closed ?? Promise.reject(new Error('none')))).to.equal(undefined)
    expect(connection.connected).to.equal(false)
  })

  it('logs as Celery does, without a flood', async () => {
    const lines: string[] = []
    const transport = broker()
    transport.up = false
    const logger = { ...SILENT, error: (line: string) => void lines.push(line) }
    const connection = make([transport], {
      logger,
      name: 'consumer',
      retry: { ...RETRY, maxRetries: 50 },
    })
    await rejection(connection.connect())
    expect(lines).to.have.length(1)
    expect(lines[0]).to.match(
      /^consumer: Cannot connect to memory:\/\/connection-\d+\/: refused\.\nTrying again in 0\.00 seconds\.\.\. \(1\/50\)\n$/,
    )
  })
})
