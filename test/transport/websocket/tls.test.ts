import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { listenHttp } from '../../../src/platform/node/index.ts'
import { webSocketPeerListener } from '../../../src/transport/peer/index.ts'
import { webSocketDialer, type DialerTls } from '../../../src/transport/websocket/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'quorate-tls-'))
after(() => rmSync(directory, { recursive: true }))

/** An authority and a certificate of it for 127.0.0.1, made by openssl; undefined where there is none. */
function makeCertificates(): { authority: string; certificate: string; key: string } | undefined {
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' })
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  writeFileSync(join(directory, 'names'), 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n')
  try {
    openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Authority')
    openssl('req', ...curve, '-keyout', 'node.key', '-out', 'node.csr', '-subj', '/CN=node')
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names']
    openssl('x509', '-req', '-in', 'node.csr', ...signed, '-out', 'node.pem')
  } catch {
    return undefined
  }
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8')
  return { authority: read('ca.pem'), certificate: read('node.pem'), key: read('node.key') }
}

const certificates = makeCertificates()

describe('links with TLS', { skip: certificates === undefined ? 'no openssl' : false }, () => {
  it('need a server of the known authority and, where asked for, a certificate of the caller', async () => {
    const { authority, certificate, key } = certificates!
    const tls = { certificate, key, clientAuthority: authority }
    const taken: Uint8Array[] = []
    let heard = (): void => {}
    const listen = webSocketPeerListener({ listenHttp, host: '127.0.0.1', port: 0, tls })
    const listener = await listen(({ link }) => {
      link.onFrame = frame => {
        taken.push(frame)
        heard()
      }
    })
    const dial = (own: DialerTls, scheme = 'wss'): ReturnType<ReturnType<typeof webSocketDialer>['dial']> =>
      webSocketDialer(own).dial(`${scheme}://127.0.0.1:${listener.port}/v1/peer`, {
        timeoutMs: 2_000,
        subprotocol: 'quorate.peer.v1',
        maxFrameBytes: 1000,
      })
    const link = await dial({ authority, certificate, key })
    const arrived = new Promise<void>(resolve => (heard = resolve))
    link.send(Uint8Array.of(7))
    await arrived
    assert.deepEqual([...taken[0]!], [7])
    await assert.rejects(dial({ certificate, key }), /cannot open/)
    await assert.rejects(dial({ authority }), /cannot open/)
    await assert.rejects(dial({ authority, certificate, key }, 'ws'), /cannot open/)
    await listener.close()
  })
})
