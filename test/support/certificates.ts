/** Certificates of the tests: a CA of their own, and what it vouches for. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' })
}

/** The files of a folder with a CA (`ca.crt`) and a certificate for localhost (`s.crt`, `s.key`). */
export function certificates(): (file: string) => string {
  const dir = mkdtempSync(join(tmpdir(), 'celeriac-tls-'))
  const file = (name: string): string => join(dir, name)
  const key = ['-newkey', 'rsa:2048', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.crt'),
    '-subj',
    '/CN=ca',
  )
  openssl('req', ...key, '-keyout', file('s.key'), '-out', file('s.csr'), '-subj', '/CN=localhost')
  const signed = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial']
  openssl('x509', '-req', '-in', file('s.csr'), ...signed, '-out', file('s.crt'), '-days', '2')
  return file
}
