/** TLS to RabbitMQ: what must be verified is verified. */

import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect as tcp, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server } from 'node:tls'
import { promisify } from 'node:util'
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts'
import { OperationalError } from '../../../src/errors.ts'
import type { TlsOptions } from '../../../src/messaging/transport.ts'
import { SILENT } from '../../../src/runtime/log.ts'
import { amqpUrl as parse } from '../../../src/runtime/url.ts'
import { AmqpTransport } from '../../../src/transports/amqp/transport.ts'
import { rejection } from '../../contracts/transport.ts'
import { amqpUrl } from '../../support/services.ts'

const run = promisify(execFile)

/** A self-signed certificate for one host name or address. */
async function certificate(dir: string, name: string): Promise<{ key: Buffer; cert: Buffer }> {
  const [key, cert] = [join(dir, `${name}.key`), join(dir, `${name}.pem`)]
  const san = /^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1'
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${san}`]
  await run('openssl', [...request.split(' '), ...subject, '-keyout', key, '-out', cert])
  return { key: await readFile(key), cert: await readFile(cert) }
}

describe('amqps', () => {
  let dir: string
  let server: Server
  let cert: Buffer
  let wrongHost: Buffer
  let address: string

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'celeriac-tls-'))
    const own = await certificate(dir, '127.0.0.1')
    wrongHost = (await certificate(dir, 'localhost')).cert
    cert = own.cert
    const plain = parse(await amqpUrl())
    server = createServer(own, (socket) => {
      const broker = tcp(plain.port, plain.hostname)
      socket.pipe(broker).pipe(socket)
      socket.on('error', () => broker.destroy())
      broker.on('error', () => socket.destroy())
    })
    server.on('tlsClientError', () => {})
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    address = `amqps://guest:guest@127.0.0.1:${port}/${encodeURIComponent(plain.virtualHost)}`
  })
  after(async () => {
    await new Promise<void>((resolve) => server.close(() => resolve()))
    await rm(dir, { recursive: true })
  })

  function transport(tls: TlsOptions | undefined, warnings: string[] = []): AmqpTransport {
    return new AmqpTransport(address, {
      connectTimeout: 4,
      heartbeat: 0,
      transportOptions: {},
      ...(tls === undefined ? {} : { tls }),
      limits: DEFAULT_LIMITS,
      logger: { ...SILENT, warning: (line) => void warnings.push(line) },
    })
  }

  it('connects to a broker whose certificate is from a known authority', async () => {
    const connection = await transport({ ca: cert }).connect()
    await (await connection.channel()).declareExchange({ name: 'tls', type: 'direct' })
    await connection.close()
  })

  it('refuses an unknown authority, and a certificate for another host', async () => {
    for (const tls of [undefined, { ca: wrongHost }, { ca: cert, servername: 'elsewhere.test' }]) {
      const error = await rejection(transport(tls).connect())
      expect(error).to.be.instanceOf(OperationalError)
      expect((error as Error).message).to.match(/certificate|altnames/i)
    }
  })

  it('connects without a check only when told so, and says so', async () => {
    const warnings: string[] = []
    const connection = await transport({ rejectUnauthorized: false }, warnings).connect()
    await connection.close()
    expect(warnings).to.have.length(1)
    expect(warnings[0]).to.contain('not verified')
  })
})
