import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { stringify } from 'yaml'
import { QuorateError } from '../../src/model/index.ts'
import { loadConfiguration, nodePlatform, SETTINGS, VERSION } from '../../src/node/index.ts'
import type { Configuration } from '../../src/node/index.ts'

const { files } = nodePlatform()

describe('the configuration', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-configuration-'))
  })
  after(() => rm(directory, { recursive: true }))

  async function load(
    text: string,
    variables: Record<string, string> = {},
    flags: Record<string, string | boolean> = {},
  ): Promise<Configuration> {
    const file = join(directory, 'config.yaml')
    await writeFile(file, text)
    return loadConfiguration({ files, file, variables, flags })
  }

  async function refused(text: string, message: RegExp, variables: Record<string, string> = {}): Promise<void> {
    await assert.rejects(load(text, variables), (error: unknown) => {
      assert.ok(error instanceof QuorateError)
      assert.equal(error.code, 'configuration_invalid')
      assert.match(error.message, message)
      return true
    })
  }

  it('has the documented defaults and is a cluster of one', async () => {
    const { client, peer, admin, members, name } = await load('')
    assert.deepEqual([client.port, peer.port, admin.port], [7400, 7410, 7420])
    assert.deepEqual([client.host, peer.host, admin.host], Array(3).fill('127.0.0.1'))
    assert.deepEqual([name, members.length], ['n0', 1])
  })

  it('lets flags beat variables and variables beat the file', async () => {
    const file = 'peer: { port: 1 }\nclient: { port: 1 }\nadmin: { port: 1 }\n'
    const variables = { QUORATE_PEER_PORT: '2', QUORATE_CLIENT_PORT: '2' }
    const { peer, client, admin } = await load(file, variables, { 'client-port': '3' })
    assert.deepEqual([admin.port, peer.port, client.port], [1, 2, 3])
  })

  it('names what does not fit, whatever it is', async () => {
    await refused('colour: red', /colour/)
    await refused('peer: { prot: 1 }', /peer.*prot/)
    await refused('peer: { port: 70000 }', /peer\.port/)
    await refused('storage: { pageBytes: 5000 }', /storage\.pageBytes/)
    await refused('name: b\nmembers: [{ name: a, peer: "h:1", client: "h:2" }]', /'b' is not among the members a/)
    await refused('members: [{ name: a, peer: h, client: "h:2" }]', /members\.0\.peer/)
    await refused('name: [', /config\.yaml/)
    await refused('- 1', /mapping/)
    await refused('', /QUORATE_PEER_PORT.*whole number/, { QUORATE_PEER_PORT: 'many' })
    await refused('', /QUORATE_INSECURE.*true or false/, { QUORATE_INSECURE: 'perhaps' })
    await refused('dataDirectory: ""', /dataDirectory/)
    await refused('secretFile: ""', /secretFile/)
    const members = (b: string): string =>
      `name: a\nmembers: [{ name: a, peer: "h:1", client: "h:2" }, { name: b, ${b} }]`
    await refused(members('peer: "h:1", client: "h:3"'), /members: the address h:1 stands twice/)
    await refused(members('peer: "h:3", client: "h:2"'), /members: the address h:2 stands twice/)
    await refused(members('peer: "h:2", client: "h:3"'), /members: the address h:2 stands twice/)
  })

  it('is taken again as it is printed, also where ports are free ones', async () => {
    const printed = await load('dataDirectory: /data', {}, { 'client-port': '0', 'peer-port': '0', 'admin-port': '0' })
    assert.deepEqual(await load(stringify(printed)), printed)
  })

  it('does not unfold what aliases of aliases make of a small file', async () => {
    const layers = Array.from(
      { length: 12 },
      (_, i) => `k${i + 1}: &k${i + 1} [${Array(12).fill(`*k${i}`).join(', ')}]`,
    )
    await refused(`k0: &k0 [x]\n${layers.join('\n')}`, /config\.yaml: .*alias/i)
  })

  it('refuses variables that are no settings, except those that others know', async () => {
    await refused('', /QUORATE_PEER_PROT: there is no such setting/, { QUORATE_PEER_PROT: '1' })
    const variables = { QUORATE_TOKEN: 'x', OTHER: 'y', QUORATE_PEER_PORT: '5' }
    const known = { files, variables, otherVariables: new Set(['QUORATE_TOKEN']), flags: {} }
    assert.equal((await loadConfiguration(known)).peer.port, 5)
  })

  it('takes the members from one flag', async () => {
    const flags = { members: 'a=h1:1/h1:2,b=h2:1/h2:2', name: 'b' }
    assert.deepEqual((await load('', {}, flags)).members, [
      { name: 'a', peer: 'h1:1', client: 'h1:2' },
      { name: 'b', peer: 'h2:1', client: 'h2:2' },
    ])
  })

  it('means relative paths in a file from the directory of the file', async () => {
    assert.equal((await load('dataDirectory: .')).dataDirectory, directory)
    assert.equal((await load('dataDirectory: data')).dataDirectory, join(directory, 'data'))
    assert.equal((await load('dataDirectory: /data')).dataDirectory, '/data')
  })

  it('gives every setting a flag, a variable and a description', () => {
    for (const { flag, variable, description } of SETTINGS) {
      assert.match(flag, /^[a-z]+(-[a-z]+)*$/)
      assert.equal(variable, `QUORATE_${flag.toUpperCase().replaceAll('-', '_')}`)
      assert.notEqual(description, '')
    }
    assert.equal(new Set(SETTINGS.map(({ flag }) => flag)).size, SETTINGS.length)
  })

  it('is described setting by setting in docs/operate/configuration.md', async () => {
    const page = await readFile('docs/operate/configuration.md', 'utf8')
    const rows = page.split('\n').filter(line => line.startsWith('| `'))
    const expected = SETTINGS.map(({ path, type, defaultValue, description }) => {
      const isShown = ['string', 'number', 'boolean'].includes(typeof defaultValue) && defaultValue !== ''
      const shown = isShown ? `\`${String(defaultValue)}\`` : ''
      return `| \`${path.join('.')}\` | ${type} | ${shown} | ${description} |`.replaceAll('|  |', '| |')
    })
    assert.deepEqual(rows, expected)
  })

  it('says the version of the package', async () => {
    const manifest = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
    assert.equal(VERSION, manifest.version)
  })
})
