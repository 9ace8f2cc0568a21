import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { describeError } from '../../src/cli/exit-codes.ts'
import { checkConfiguration, nodePlatform, startNode } from '../../src/node/index.ts'
import { startFailure } from '../../src/node/start-failure.ts'
import { QuorateError } from '../../src/model/index.ts'
import { FileError } from '../../src/platform/index.ts'
import { runOn, runWith } from '../cli/run.ts'
import { plainEnvironment, PROGRAM } from '../cluster/processes.ts'

const DOORS = ['client', 'peer', 'admin'] as const

describe('a node that cannot start', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-start-failure-'))
  })
  after(() => rm(directory, { recursive: true }))

  async function refusal(door: (typeof DOORS)[number], place: object): Promise<unknown> {
    const any = { port: 0 }
    const doors = { client: any, peer: any, admin: any, [door]: place }
    // The links to peers are opened by a member of several only.
    const members = ['a', 'b', 'c'].map((name, i) => ({
      name,
      peer: `127.0.0.1:${i + 1}`,
      client: `127.0.0.1:${i + 4}`,
    }))
    const settings = { name: 'a', members, dataDirectory: join(directory, 'data'), insecure: true, ...doors }
    const configuration = checkConfiguration({ ...settings, log: { level: 'silent' } }, 'test')
    return startNode(configuration, nodePlatform).then(
      node => node.stop('it did start'),
      (error: unknown) => error,
    )
  }

  it(
    'says of each address that is taken, unknown or not of this machine that it is unavailable',
    { timeout: 60_000 },
    async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      try {
        for (const door of DOORS) {
          // 192.0.2.0/24 is of documentation, .invalid of no name.
          for (const place of [{ port }, { host: '192.0.2.1', port: 0 }, { host: 'quorate.invalid', port: 0 }]) {
            const error = await refusal(door, place)
            assert.ok(error instanceof QuorateError, `${door} ${JSON.stringify(place)}: ${String(error)}`)
            assert.equal(error.code, 'address_unavailable', error.message)
            assert.match(
              error.message,
              place.host === undefined ? new RegExp(`:${port}$`, 'u') : new RegExp(place.host, 'u'),
            )
          }
        }
      } finally {
        server.close()
      }
    },
  )

  it('says of a data directory that is a file, or below one, that it cannot be had', async () => {
    const file = join(directory, 'file')
    await writeFile(file, '')
    for (const dataDirectory of [file, join(file, 'data')]) {
      const configuration = checkConfiguration({ dataDirectory, admin: { port: 0 }, log: { level: 'silent' } }, 'test')
      await assert.rejects(startNode(configuration, nodePlatform), {
        code: 'storage_failed',
        message: /makeDirectory of .*file/,
      })
    }
  })

  it('says of a failed file what callers hear of it', () => {
    const codes = [
      ['no_space', 'out_of_space'],
      ['io_failed', 'storage_failed'],
      ['access_denied', 'storage_failed'],
      ['directory_locked', 'directory_locked'],
    ] as const
    for (const [code, heard] of codes) {
      const error = new FileError(code, '/data/x', 'open /data/x')
      const found = startFailure(error)
      assert.ok(found instanceof QuorateError)
      assert.deepEqual([found.code, found.message, found.cause], [heard, 'open /data/x', error])
      assert.equal(describeError(error), `${heard}: open /data/x`)
    }
    const fault = new TypeError('of this program')
    assert.equal(startFailure(fault), fault)
  })
})

describe('quorate check config', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-check-config-'))
  })
  after(() => rm(directory, { recursive: true }))

  it('refuses what a node would refuse: addresses open to everybody, files that are missing or not what they should be', async () => {
    const file = join(directory, 'config.yaml')
    const { files } = nodePlatform()
    const check = (...more: string[]): ReturnType<typeof runOn> => runOn(files, 'check', 'config', file, ...more)
    await writeFile(join(directory, 'key'), 'no key')
    const wrong: [string, RegExp][] = [
      ['client: { host: 0.0.0.0 }', /client/],
      ['peer: { host: 0.0.0.0 }', /peer/],
      ['tokensFile: absent', /absent/],
      ['secretFile: absent', /absent/],
      ['admin: { tls: { certFile: absent, keyFile: absent } }', /absent/],
      ['encryption: { keyFile: key }', /key/],
    ]
    for (const [text, message] of wrong) {
      await writeFile(file, text)
      const { code, error } = await check()
      assert.equal(code, 2, text)
      assert.match(error, /^quorate: configuration_invalid: /, text)
      assert.match(error, message, text)
      assert.equal((await check('--without-files')).code, 0, text)
    }
    await writeFile(file, 'name: n1')
    const { code, text } = await check()
    assert.equal(code, 0)
    assert.match(text, /name: n1/)
    assert.deepEqual(await readdir(directory), ['config.yaml', 'key'])
  })
})

describe('quorate server', () => {
  it('hears SIGHUP while it starts, and reads again what it says once it is there', { timeout: 60_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-start-sighup-'))
    try {
      const ports = ['--client-port', '0', '--peer-port', '0', '--admin-port', '0']
      const args = ['server', '--data-directory', join(directory, 'data'), ...ports]
      const child = fork(PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: plainEnvironment() })
      const ended = once(child, 'exit')
      let said = ''
      for await (const bytes of child.stderr!) {
        const before = said
        said += String(bytes)
        const isNew = (text: string): boolean => said.includes(text) && !before.includes(text)
        if (isNew('the node starts')) child.kill('SIGHUP')
        if (isNew('tokens and certificates were read again')) child.kill('SIGTERM')
      }
      assert.deepEqual(await ended, [0, null], said)
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('refuses variables of no setting; those of the command line are none of its own', async () => {
    const { files } = nodePlatform()
    const own = {
      QUORATE_TOKEN: 'x',
      QUORATE_CONFIG: '',
      QUORATE_ENDPOINTS: 'a',
      QUORATE_TLS_CA_FILE: 'b',
      QUORATE_NAME: 'n7',
    }
    const fine = await runWith(own, files, 'server', '--print-config')
    assert.deepEqual([fine.code, fine.error], [0, ''])
    assert.match(fine.text, /name: n7/)
    const { code, error } = await runWith({ ...own, QUORATE_DATADIRECTORY: 'x' }, files, 'server', '--print-config')
    const message = 'quorate: configuration_invalid: QUORATE_DATADIRECTORY: there is no such setting\n'
    assert.deepEqual([code, error], [2, message])
  })
})

describe('quorate dev', () => {
  it('refuses variables of what it decides for each node', async () => {
    const { files } = nodePlatform()
    for (const name of ['QUORATE_NAME', 'QUORATE_DATA_DIRECTORY', 'QUORATE_MEMBERS', 'QUORATE_CLIENT_PORT']) {
      const { code, error } = await runWith({ [name]: '1' }, files, 'dev', '--data', '/dev/null/absent')
      assert.deepEqual([code, error.includes(`configuration_invalid: ${name}: `)], [2, true], error)
    }
  })
})

describe('a node that ends with its parent', { timeout: 60_000 }, () => {
  it('does so too when that is gone before the node has started', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-orphan-'))
    try {
      const ports = ['--client-port', '0', '--peer-port', '0', '--admin-port', '0']
      const args = ['server', '--exit-with-parent', '--data-directory', join(directory, 'data'), ...ports]
      const child = fork(PROGRAM, args, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], env: plainEnvironment() })
      const ended = once(child, 'exit')
      child.disconnect()
      assert.deepEqual(await ended, [1, null])
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
