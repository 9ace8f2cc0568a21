import assert from 'node:assert/strict'
import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'
import { Engine, rehearseRestore, restoreBackup, verifyBackup } from '../../src/entry/engine.ts'
import { ProcessCluster, quorate } from './processes.ts'
import type { CommandResult } from './processes.ts'

const KEYS = 400

/** Backups of a cluster that serves, by the command line, and what is made of them. */
describe('quorate backup of a cluster under load', () => {
  let cluster: ProcessCluster
  let client: Client
  const over = new AbortController()
  let writing: Promise<void>
  let written = 0
  const path = (name: string): string => join(cluster.directory, name)
  const fine = async (...args: string[]): Promise<CommandResult> => {
    const result = await cluster.run(...args)
    assert.equal(result.code, 0, result.errors)
    return result
  }
  const json = async <T>(...args: string[]): Promise<T> =>
    JSON.parse((await fine(...args, '--output', 'json')).output) as T

  before(async () => {
    cluster = await ProcessCluster.create()
    cluster.startAll()
    await cluster.leader()
    client = await connect(cluster.endpoints.split(',').map(endpoint => `ws://${endpoint}`))
    await client.ddl({ type: 'createProject', project: 'p' })
    const kv = client.kv<string, number>('p', { value: NUMBERS })
    for (let i = 0; i < KEYS; i++) await kv.set(`k${i}`, 0)
    writing = (async () => {
      for (let i = 0; !over.signal.aborted; i++) {
        // Two keys in one commit: no state has one without the other.
        await kv.setMany([
          [`k${i % KEYS}`, i + 1],
          ['sum', i + 1],
        ])
        written = i + 1
      }
    })()
  })

  after(async () => {
    over.abort()
    await writing.catch(() => undefined)
    await client?.close()
    await cluster.remove()
  })

  /** What a directory holds, opened as an embedded database: its `sum`, and that all keys are those of that state. */
  async function sumIn(directory: string): Promise<number> {
    const engine = await Engine.open(directory)
    try {
      const kv = engine.kv<string, number>('p', { value: NUMBERS })
      const sum = (await kv.get('sum'))!
      for (let i = 0; i < KEYS; i++) {
        const newest = sum - ((sum - 1 - i + KEYS * 1e6) % KEYS)
        assert.equal(await kv.get(`k${i}`), newest > 0 ? newest : 0, `k${i} of ${sum}`)
      }
      return sum
    } finally {
      await engine.close()
    }
  }

  it('sends a full and an incremental one while writers go on; what is restored is the state at their end', async () => {
    const before = written
    const full = await json<{ endpoint: string; head: { seq: number } }>('backup', 'create', path('full'))
    const leader = await cluster.leader()
    assert.notEqual(full.endpoint, `127.0.0.1:${cluster.nodes[leader]!.ports.admin}`, 'followers have less to do')
    const between = written
    const args = ['backup', 'create', path('next'), '--parent', path('full')]
    const next = await json<{ type: string; head: { seq: number } }>(...args)
    assert.equal(next.type, 'incremental')
    assert.ok(next.head.seq > full.head.seq)
    assert.equal((await rehearseRestore([path('full'), path('next')], path('scratch'))).seq, next.head.seq)
    await restoreBackup([path('full')], path('one'))
    await restoreBackup([path('full'), path('next')], path('both'))
    const sums = [await sumIn(path('one')), await sumIn(path('both'))]
    assert.ok(
      sums[0]! >= before && sums[1]! > sums[0]! && sums[1]! >= between,
      `${before} ${between} ${sums.join(' ')}`,
    )
    assert.equal((await cluster.run('backup', 'create', path('full'))).code, 2, 'it is not empty')
    await writeFile(path('key'), Buffer.alloc(32, 5))
    await fine('backup', 'create', path('signed'), '--key-file', path('key'))
    await assert.rejects(verifyBackup(path('signed')), { code: 'invalid_argument' })
    await verifyBackup(path('signed'), Buffer.alloc(32, 5))
  })

  it('has a node keep some itself, and fetches them, also in two runs', async () => {
    const made = await fine('backup', 'on-node', 'create', 'nightly')
    assert.match(made.output, /^nightly: full, restores \d+ to \d+, \d+ bytes\n$/)
    await fine('backup', 'on-node', 'create', 'hourly', '--parent', 'nightly')
    assert.match((await fine('backup', 'on-node', 'list')).output, /^hourly: incremental.*\nnightly: full.*\n$/)
    assert.equal((await fine('backup', 'on-node', 'verify', 'nightly')).output, 'nightly: whole\n')
    assert.equal((await cluster.run('backup', 'on-node', 'verify', 'weekly')).code, 1)
    await fine('backup', 'on-node', 'fetch', 'nightly', path('fetched'))
    // As if the connection had broken within `images`.
    await mkdir(path('again'))
    await cp(path('fetched/manifest.json'), path('again/manifest.partial'))
    await cp(path('fetched/images'), path('again/images'))
    await truncate(path('again/images'), 5_000)
    await fine('backup', 'on-node', 'fetch', 'nightly', path('again'))
    for (const name of ['images', 'entries', 'manifest.json', 'manifest.check']) {
      assert.deepEqual(await readFile(path(`again/${name}`)), await readFile(path(`fetched/${name}`)), name)
    }
    assert.deepEqual((await readdir(path('again'))).toSorted(), [
      'entries',
      'images',
      'manifest.check',
      'manifest.json',
    ])
    assert.equal((await cluster.run('backup', 'on-node', 'fetch', 'hourly', path('again'))).code, 2)
    await restoreBackup([path('fetched')], path('kept'))
    assert.ok((await sumIn(path('kept'))) > 0)
    await fine('backup', 'on-node', 'remove', 'nightly')
    assert.match((await fine('backup', 'on-node', 'list')).output, /^hourly: incremental.*\n$/)
    assert.equal((await fine('backup', 'on-node', 'cancel')).output, 'no backup was under way\n')
    const metrics = await (await fetch(`http://127.0.0.1:${cluster.nodes[0]!.ports.admin}/metrics`)).text()
    assert.match(metrics, /^quorate_backup_last_seq [1-9]/m)
    assert.ok(cluster.nodes[0]!.errors.includes('DELETE /admin/v1/backups/nightly'), 'what operators do is in the log')
  })

  it('is restored as another cluster, each of whose members is made by its own command', async () => {
    await fine('backup', 'create', path('moved'))
    const fresh = await ProcessCluster.create()
    try {
      for (const { directory } of fresh.nodes) {
        const config = join(directory, 'config.yaml')
        const text = await readFile(config, 'utf8')
        await writeFile(config, text.replace('dataDirectory: .', 'dataDirectory: ./data'))
      }
      const configs = fresh.nodes.map(({ directory }) => join(directory, 'config.yaml'))
      const refused = await quorate('backup', 'restore-member', path('moved'), '--config', configs[0]!)
      assert.deepEqual([refused.code, /restore-id/.test(refused.errors)], [2, true])
      for (const config of configs) {
        const args = ['backup', 'restore-member', path('moved'), '--config', config, '--restore-id', 'moved']
        const restored = await quorate(...args)
        assert.equal(restored.code, 0, restored.errors)
      }
      fresh.startAll()
      await fresh.leader()
      const reader = await connect(fresh.endpoints.split(',').map(endpoint => `ws://${endpoint}`))
      const kv = reader.kv<string, number>('p', { value: NUMBERS })
      const sum = (await kv.get('sum'))!
      assert.ok(sum > 0)
      assert.equal(await kv.get(`k${(sum - 1) % KEYS}`), sum)
      await kv.set('sum', -1)
      await reader.close()
      await fresh.kill(await fresh.leader())
      const rest = fresh.nodes.flatMap(({ process }, i) => (process === undefined ? [] : [i]))
      await fresh.leader(rest)
      const again = await quorate('kv', 'get', 'p', 'app', 'sum', '--endpoints', fresh.endpoints)
      assert.equal(again.output.trim(), '-1', again.errors)
    } finally {
      await fresh.remove()
    }
  })

  it('gives a project back to the cluster under another name, while writers go on', async () => {
    await fine('backup', 'create', path('lost'))
    const { output } = await fine('backup', 'restore-project', 'p', path('lost'), '--to', 'found', '--batch', '50')
    assert.match(output, /^p as found: 401 keys and 0 rows restored\n$/)
    const kv = client.kv<string, number>('found', { value: NUMBERS })
    const sum = (await kv.get('sum'))!
    assert.ok(sum > 0)
    assert.equal(await kv.get(`k${(sum - 1) % KEYS}`), sum)
    assert.equal((await cluster.run('backup', 'restore-project', 'p', path('lost'), '--to', 'found')).code, 1)
  })

  it('leaves nothing where the nodes are gone, and says that they are', async () => {
    const result = await quorate('backup', 'create', path('none'), '--endpoints', '127.0.0.1:1', '--attempts', '1')
    assert.equal(result.code, 3, result.errors)
    await assert.rejects(readdir(path('none')), { code: 'ENOENT' })
    await rm(path('none'), { recursive: true, force: true })
  })
})

const NUMBERS = {
  encode: (value: number): Uint8Array => new TextEncoder().encode(String(value)),
  decode: (bytes: Uint8Array): number => Number(new TextDecoder().decode(bytes)),
}
