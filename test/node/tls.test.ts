import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runProgram } from '../../src/cli/program.ts'
import { connect } from '../../src/entry/client.ts'
import type { DialerTls } from '../../src/entry/client.ts'
import {
  checkConfiguration,
  loadConfiguration,
  nodePlatform,
  readEnvironment,
  startNode,
} from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'
import { freePorts, httpRequest } from '../../src/node/index.ts'
import { webSocketDialer } from '../../src/transport/websocket/index.ts'
import { makeCertificates } from '../transport/certificates.ts'
import type { Certificates } from '../transport/certificates.ts'
import { shownName } from '../transport/shown-name.ts'

const HOST = '127.0.0.1'
const NAMES = ['n0', 'n1', 'n2']

describe('TLS on all ports of a cluster', { timeout: 240_000 }, () => {
  let directory: string
  let certificates: Certificates
  let strangers: Certificates
  const nodes: RunningNode[] = []
  let clientPorts: number[]
  let adminPorts: number[]
  let peerPorts: number[]
  let own: DialerTls

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-tls-'))
    certificates = makeCertificates(join(directory, 'own'), ...NAMES, 'client', 'renewed')
    strangers = makeCertificates(join(directory, 'other'), 'stranger')
    const ports = await freePorts(HOST, 9)
    clientPorts = ports.slice(0, 3)
    adminPorts = ports.slice(3, 6)
    peerPorts = ports.slice(6)
    own = { authority: certificates.authority }
    nodes.push(...(await Promise.all(NAMES.map((_, i) => start(i)))))
  })
  after(async () => {
    await Promise.all(nodes.map(node => node.stop('end of the test')))
    await rm(directory, { recursive: true })
  })

  function start(i: number): Promise<RunningNode> {
    const files = { certFile: certificates.path(NAMES[i]!, 'pem'), keyFile: certificates.path(NAMES[i]!, 'key') }
    const caFile = certificates.path('ca', 'pem')
    const settings = {
      name: NAMES[i],
      dataDirectory: join(directory, NAMES[i]!),
      members: NAMES.map((name, j) => ({ name, peer: `${HOST}:${peerPorts[j]}`, client: `${HOST}:${clientPorts[j]}` })),
      client: { port: clientPorts[i], tls: files },
      peer: { port: peerPorts[i], tls: { ...files, caFile } },
      admin: { port: adminPorts[i], tls: { ...files, caFile } },
      log: { level: 'silent' },
      storage: { segmentBytes: 1 << 18 },
    }
    return startNode(checkConfiguration(settings, 'test'), nodePlatform)
  }

  it('is spoken between nodes, by clients and by whoever discovers them', async () => {
    await using client = await connect(`wss://${HOST}:${clientPorts[0]}`, { tls: own })
    await client.ddl({ type: 'createProject', project: 'p' })
    for (let i = 0; i < 20; i++) await client.kv('p').set(`k${i}`, Uint8Array.of(i))
    assert.deepEqual(await client.kv('p').get('k19'), Uint8Array.of(19))
    const { members } = await client.status()
    assert.equal(members.length, 3)
  })

  it('refuses clients that speak plainly or trust another authority', async () => {
    const dial = (scheme: string, tls: DialerTls): Promise<unknown> =>
      webSocketDialer(tls).dial(`${scheme}://${HOST}:${clientPorts[0]}/v1/connect`, {
        timeoutMs: 2_000,
        subprotocol: 'quorate.v1+msgpack',
        maxFrameBytes: 1 << 20,
      })
    await assert.rejects(dial('ws', {}), /cannot open/)
    await assert.rejects(dial('wss', { authority: strangers.authority }), /cannot open/)
  })

  it('lets nobody to the links of peers without a certificate of their authority', async () => {
    const dial = (tls: DialerTls): Promise<unknown> =>
      webSocketDialer(tls).dial(`wss://${HOST}:${peerPorts[1]}/v1/peer`, {
        timeoutMs: 2_000,
        subprotocol: 'quorate.peer.v1',
        maxFrameBytes: 1 << 20,
      })
    await assert.rejects(dial(own), /cannot open/)
    await assert.rejects(dial({ ...own, ...strangers.of('stranger') }), /cannot open/)
    await assert.doesNotReject(dial({ ...own, ...certificates.of('client') }))
  })

  it('asks operators for a certificate where the port has an authority for them', async () => {
    const url = `https://${HOST}:${adminPorts[0]}/livez`
    const ask = (tls: DialerTls): Promise<number> =>
      httpRequest({ method: 'GET', url, timeoutMs: 2_000, tls }).then(({ status }) => status)
    await assert.rejects(ask(own))
    assert.equal(await ask({ ...own, ...certificates.of('client') }), 200)
  })

  it('is spoken by the command line', async () => {
    let text = ''
    const { files } = nodePlatform()
    const terminal = {
      isTerminal: false,
      columns: 80,
      write: (part: string | Uint8Array) => void (text += String(part)),
      writeError: (part: string) => void (text += part),
      readInput: () => Promise.resolve(new Uint8Array()),
    }
    const run = (...args: string[]): Promise<number> =>
      runProgram({ environment: readEnvironment(), files, terminal }, [
        ...args,
        '--endpoints',
        clientPorts.map(port => `${HOST}:${port}`).join(','),
        '--admin-endpoints',
        adminPorts.map(port => `${HOST}:${port}`).join(','),
        '--tls-ca-file',
        certificates.path('ca', 'pem'),
        '--tls-cert-file',
        certificates.path('client', 'pem'),
        '--tls-key-file',
        certificates.path('client', 'key'),
      ])
    assert.equal(await run('status'), 0, text)
    assert.match(text, /n1/)
    assert.equal(await run('project', 'create', 'over-tls'), 0, text)
    assert.equal(await run('leader', 'transfer'), 0, text)
  })

  it('takes a new certificate without a restart, and keeps the old one if the new one is not sound', async () => {
    const [node] = nodes
    const port = clientPorts[0]!
    const ca = certificates.authority
    assert.equal(await shownName(port, { ca }), 'n0')
    await copyFile(certificates.path('renewed', 'pem'), certificates.path('n0', 'pem'))
    await node!.reload()
    assert.equal(await shownName(port, { ca }), 'n0', 'the key is still the old one')
    await copyFile(certificates.path('renewed', 'key'), certificates.path('n0', 'key'))
    await node!.reload()
    assert.equal(await shownName(port, { ca }), 'renewed')
    await using client = await connect(`wss://${HOST}:${port}`, { tls: own })
    await client.kv('p').set('after', Uint8Array.of(1))
  })
})

describe('the files of TLS', () => {
  let directory: string
  let certificates: Certificates
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-tls-files-'))
    certificates = makeCertificates(directory, 'a', 'b')
  })
  after(() => rm(directory, { recursive: true }))

  async function refused(tls: object, message: RegExp): Promise<void> {
    const settings = { dataDirectory: join(directory, 'data'), client: { port: 0, tls }, log: { level: 'silent' } }
    const start = async (): Promise<unknown> => startNode(checkConfiguration(settings, 'test'), nodePlatform)
    await assert.rejects(start(), { code: 'configuration_invalid', message })
  }

  it('must be there, be what they should be, and belong together', async () => {
    const certFile = certificates.path('a', 'pem')
    const keyFile = certificates.path('a', 'key')
    await refused({ certFile }, /client\.tls\.keyFile/)
    await refused({ certFile, keyFile: join(directory, 'none') }, /cannot read .*none/)
    await refused({ certFile, keyFile: certificates.path('b', 'key') }, /b\.key is not the key of .*a\.pem/)
    await refused({ certFile: keyFile, keyFile }, /a\.key: no certificate in PEM/)
    await refused({ certFile, keyFile: certFile }, /a\.pem: no private key in PEM/)
    await refused({ certFile, keyFile, caFile: keyFile }, /a\.key: no certificate in PEM/)
    const peer = { tls: { certFile, keyFile } }
    assert.throws(() => checkConfiguration({ peer }, 'test'), /peer\.tls\.caFile/)
  })

  it('are meant from the directory of the configuration file', async () => {
    const { files } = nodePlatform()
    const file = join(directory, 'config.yaml')
    const handle = await files.open(file, 'create')
    await handle.write(Buffer.from('client: { tls: { certFile: a.pem, keyFile: /k, caFile: ca.pem } }\n'), 0)
    await handle.close()
    const { client } = await loadConfiguration({ files, file, variables: {}, flags: {} })
    assert.deepEqual(client.tls, {
      certFile: join(directory, 'a.pem'),
      keyFile: '/k',
      caFile: join(directory, 'ca.pem'),
    })
    const flags = { 'admin-tls-cert-file': 'x', 'admin-tls-key-file': 'y' }
    const { admin } = await loadConfiguration({ files, variables: {}, flags })
    assert.deepEqual(admin.tls, { certFile: 'x', keyFile: 'y' })
  })
})
