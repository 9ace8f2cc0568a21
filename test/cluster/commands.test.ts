import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import type { DatabaseHead } from '../../src/model/index.ts'
import type { DataRegion } from '../../src/node/index.ts'
import { ProcessCluster, quorate } from './processes.ts'
import type { CommandResult } from './processes.ts'

describe('the command line on three nodes', { timeout: 240_000 }, () => {
  let cluster: ProcessCluster

  before(async () => {
    cluster = await ProcessCluster.create()
    cluster.startAll()
    await cluster.leader()
  })
  after(() => cluster.remove())

  it('creates, lists and drops projects and scopes', async () => {
    assert.equal((await cluster.run('project', 'create', 'shop')).code, 0)
    const again = await cluster.run('project', 'create', 'shop')
    assert.equal(again.code, 1)
    assert.match(again.errors, /already_exists/)
    assert.equal((await cluster.run('scope', 'create', 'shop', 'carts')).code, 0)
    const scopes = await cluster.run('scope', 'list', 'shop', '--output', 'json')
    assert.deepEqual((JSON.parse(scopes.output) as { name: string }[]).map(({ name }) => name).toSorted(), [
      'app',
      'carts',
    ])
    assert.equal((await cluster.run('scope', 'drop', 'shop', 'carts')).code, 0)
    assert.match((await cluster.run('project', 'list')).output, /shop/)
  })

  it('writes a key and prints its value as it is', async () => {
    await cluster.run('project', 'create', 'bench', '--if-not-exists')
    assert.equal((await cluster.run('kv', 'set', 'bench', 'app', 'greeting', 'hello')).code, 0)
    assert.equal((await cluster.run('kv', 'get', 'bench', 'app', 'greeting')).output, 'hello')
    const absent = await cluster.run('kv', 'set', 'bench', 'app', 'greeting', 'x', '--if-absent')
    assert.equal(absent.code, 1)
    assert.match(absent.errors, /assertion_failed/)
    assert.match((await cluster.run('kv', 'scan', 'bench', 'app', '--prefix', 'gr')).output, /^greeting\thello\n$/)
    assert.equal((await cluster.run('kv', 'delete', 'bench', 'app', 'greeting')).code, 0)
    assert.equal((await cluster.run('kv', 'get', 'bench', 'app', 'greeting')).code, 1)
  })

  it('writes under conditions and for a time, and scans backwards', async () => {
    await cluster.run('project', 'create', 'bench', '--if-not-exists')
    const set = (key: string, ...more: string[]): Promise<CommandResult> =>
      cluster.run('kv', 'set', 'bench', 'app', key, 'v', '--output', 'json', ...more)
    const { seq } = JSON.parse((await set('if/a')).output) as { seq: number }
    assert.match((await set('if/a', '--if-seq', String(seq + 1))).errors, /assertion_failed/)
    assert.equal((await set('if/a', '--if-seq', String(seq))).code, 0)
    assert.equal((await set('if/b', '--ttl-ms', '600000')).code, 0)
    assert.equal((await set('if/c', '--ttl-ms', '1')).code, 0)
    for (let isGone = false; !isGone;) isGone = (await cluster.run('kv', 'get', 'bench', 'app', 'if/c')).code === 1
    const scanned = await cluster.run('kv', 'scan', 'bench', 'app', '--prefix', 'if/', '--reverse')
    assert.equal(scanned.output, 'if/b\tv\nif/a\tv\n')
  })

  it('puts loads on the cluster, of a number of callers and of a rate, and says what came of them', async () => {
    const load = ['--seconds', '1', '--value-bytes', '10', '--keys', '50', '--output', 'json']
    for (const [how, operation] of [
      [['--writers', '4'], 'put'],
      [['--rate', '200'], 'mixed'],
    ] as const) {
      const { code, output, errors } = await cluster.run('bench', '--operation', operation, ...how, ...load)
      assert.equal(code, 0, errors)
      const said = JSON.parse(output) as { operations: number; failures: object; latencyMs: Record<string, number> }
      const { p50 = 0, p99 = 0, max = 0 } = said.latencyMs
      assert.deepEqual(
        [said.failures, said.operations > 0, 0 < p50 && p50 <= p99 && p99 <= max],
        [{}, true, true],
        output,
      )
      if (operation === 'mixed') assert.ok(said.operations <= 201, output)
    }
    assert.match((await cluster.run('bench', '--seconds', '1')).output, /OPERATIONS.*PER SECOND.*P99 MS/)
  })

  it('tells how far a majority has synced, and has nodes take checkpoints', async () => {
    const head = JSON.parse((await cluster.run('head', '--output', 'json')).output) as DatabaseHead
    assert.ok(head.visibleSeq > 0 && head.durableSeq >= head.visibleSeq)
    assert.match((await cluster.run('head', '--wait', head.token)).output, /^visible \d+, durable \d+\n$/)
    assert.equal((await cluster.run('head', '--wait', `${'0'.repeat(32)}:1`)).code, 1)
    const taken = await cluster.run('checkpoint', '--output', 'json')
    const seqs = (JSON.parse(taken.output) as { endpoint: string; seq: number }[]).map(({ seq }) => seq)
    assert.ok(seqs.length === 3 && Math.min(...seqs) > 0, taken.output)
    assert.equal((await cluster.run('checkpoint', '127.0.0.1:1')).code, 2)
  })

  it('shows the settings that all nodes go by, and the value of one', async () => {
    const setting = JSON.stringify({ type: 'setSetting', name: 'auditRowsMax', value: 77 })
    assert.equal((await cluster.run('ddl', setting)).code, 0)
    assert.equal((await cluster.run('settings', 'auditRowsMax')).output, '77\n')
    assert.match((await cluster.run('settings')).output, /sessionWindow +1024\n/)
    for (const name of ['auditRows', 'toString'])
      assert.match((await cluster.run('settings', name)).errors, /setting_not_found/)
  })

  it('shows and hands over leadership', async () => {
    const leader = await cluster.leader()
    const to = `n${(leader + 1) % 3}`
    const transferred = await cluster.run('leader', 'transfer', to)
    assert.equal(transferred.code, 0, transferred.errors)
    const shown = await cluster.run('leader', 'show', '--output', 'json')
    assert.equal((JSON.parse(shown.output) as { name: string }).name, to)
    assert.match((await cluster.run('status')).output, new RegExp(`${to} .* leader`))
    assert.match((await cluster.run('leader', 'transfer', to)).output, new RegExp(`${to} leads already`))
    assert.match((await cluster.run('leader', 'transfer', 'n9')).errors, /not_found/)
  })

  it('lists what nodes are busy with, cancels it, and shows what took long', async () => {
    await cluster.run('project', 'create', 'bench', '--if-not-exists')
    const watching = cluster.run('kv', 'watch', 'bench', 'app')
    type Listed = { endpoint: string; requests: { id: string; kind: string; project: string; caller: string }[] }[]
    const listed = async (): Promise<Listed> => {
      const { code, output, errors } = await cluster.run('request', 'list', '--output', 'json')
      assert.equal(code, 0, errors)
      return JSON.parse(output) as Listed
    }
    assert.equal((await cluster.run('request', 'cancel', cluster.endpoints.split(',')[0]!, 'client-0-0')).code, 1)
    // A client may still be on its way to the node that it stays with: its watch has another id there.
    for (let isCancelled = false; !isCancelled;) {
      for (const { endpoint, requests } of await listed()) {
        const watch = requests.find(({ kind, project }) => kind === 'watch' && project === 'bench')
        if (watch === undefined) continue
        assert.match((await cluster.run('request', 'list')).output, /watch +root +bench +open/)
        isCancelled ||= (await cluster.run('request', 'cancel', endpoint, watch.id)).code === 0
      }
    }
    const ended = await watching
    assert.equal(ended.code, 1)
    assert.match(ended.errors, /cancelled/)
    assert.equal((await cluster.run('request', 'slow', '--threshold-ms', '0')).code, 0)
    await cluster.run('kv', 'set', 'bench', 'app', 'slow', 'value-of-it')
    await cluster.run('kv', 'get', 'bench', 'app', 'slow')
    const slow = await cluster.run('request', 'slow', '--output', 'json')
    const kinds = (JSON.parse(slow.output) as Listed).flatMap(({ requests }) => requests.map(({ kind }) => kind))
    assert.ok(kinds.includes('commit') && kinds.includes('get'), kinds.join())
    assert.doesNotMatch(slow.output, /value-of-it/)
    assert.equal((await cluster.run('request', 'slow', '--threshold-ms', '60000')).code, 0)
    assert.ok(cluster.nodes.some(({ errors }) => /"msg":"a request took \d+ ms"/.test(errors)))
  })

  it('refuses wrong usage with 2 and absent nodes with 3', async () => {
    assert.equal((await quorate('kv', 'get', 'bench')).code, 2)
    assert.equal((await quorate('nonsense')).code, 2)
    assert.equal((await quorate('status', '--endpoints', '127.0.0.1:1')).code, 3)
  })

  it('names the holder of a directory that another process has open', async () => {
    const { directory, process } = cluster.nodes[0]!
    const checked = await quorate('check', 'data', directory)
    assert.equal(checked.code, 1)
    assert.match(checked.errors, new RegExp(`directory_locked.*${process!.pid}`, 's'))
  })

  it('stops a node in order on SIGTERM', async () => {
    const leader = await cluster.leader()
    assert.equal(await cluster.kill(leader, 'SIGTERM'), 0, cluster.nodes[leader]!.errors)
    const others = [0, 1, 2].filter(index => index !== leader)
    await cluster.leader(others)
    cluster.start(leader)
    assert.equal((await cluster.run('kv', 'set', 'bench', 'app', 'k', 'v')).code, 0)
  })

  it('ends with 4 on a damaged directory, naming file and offset, and so does the check', async () => {
    const index = ((await cluster.leader()) + 1) % 3
    const { directory } = cluster.nodes[index]!
    await cluster.kill(index, 'SIGTERM')
    const listed = await quorate('check', 'data', directory, '--output', 'json')
    assert.equal(listed.code, 0, listed.errors)
    const { regions } = JSON.parse(listed.output) as { regions: DataRegion[] }
    const leaf = regions.find(({ kind }) => kind === 'leaf')!
    const bytes = await readFile(leaf.file)
    bytes[leaf.offset + 100]! ^= 1
    await writeFile(leaf.file, bytes)
    const checked = await quorate('check', 'data', directory)
    assert.equal(checked.code, 4)
    assert.ok(checked.errors.includes(`${leaf.file} at ${leaf.offset}`), checked.errors)
    cluster.start(index)
    assert.equal(await cluster.nodes[index]!.exit, 4)
    cluster.nodes[index]!.process = undefined
    assert.ok(cluster.nodes[index]!.errors.includes(`${leaf.file} at ${leaf.offset}`))
  })
})
