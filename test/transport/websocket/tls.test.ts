import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { listenHttp } from '../../../src/platform/node/index.ts'
import { webSocketPeerListener } from '../../../src/transport/peer/index.ts'
import { makeCertificates } from '../certificates.ts'
import { webSocketDialer, type DialerTls } from '../../../src/transport/websocket/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'quorate-tls-'))
after(() => rmSync(directory, { recursive: true }))

describe('links with TLS', () => {
  it('need a server of the known authority and, where asked for, a certificate of the caller', async () => {
    const made = makeCertificates(directory, 'node')
    const { authority } = made
    const { certificate, key } = made.of('node')
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
