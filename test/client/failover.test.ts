import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseEndpoints } from '../../src/client/index.ts'
import type { Client } from '../../src/client/index.ts'
import type { CommitResult } from '../../src/model/index.ts'
import { FakeCluster } from './fake-cluster.ts'

const VALUE = new Uint8Array([1])

function set(client: Client, key: string, options = {}): Promise<CommitResult> {
  return client.kv('p').set(key, VALUE, options)
}

const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `k${i + 1}`)

describe('endpoints', () => {
  it('are a list of hosts in one URL, or several, with the usual port and path', () => {
    assert.deepEqual(parseEndpoints('ws://h1:7401,h2'), ['ws://h1:7401/v1/connect', 'ws://h2:7400/v1/connect'])
    assert.deepEqual(parseEndpoints(['h1', 'http://h2:80/x']), ['ws://h1:7400/v1/connect', 'ws://h2:7400/x'])
    assert.throws(() => parseEndpoints(''), { code: 'invalid_argument' })
    assert.throws(() => parseEndpoints('ftp://h'), { code: 'invalid_argument' })
  })
})

describe('commits', () => {
  it('go to the leader, in order, within the window, in few frames', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    const names = keys(50)
    const results = await cluster.world.runToCompletion(Promise.all(names.map(key => set(client, key))))
    assert.deepEqual(cluster.applied, names)
    assert.equal(results.length, 50)
    assert.equal(cluster.node(1).commits.length, 50)
    const last = cluster.node(1).commits.at(-1)!
    assert.equal(last.serial, 50)
    assert.ok(last.acknowledgedThrough >= 42, `acknowledged through ${last.acknowledgedThrough}`)
    assert.ok(cluster.node(1).commits.every(({ serial, acknowledgedThrough }) => serial - acknowledgedThrough <= 8))
    await cluster.world.runToCompletion(client.close())
  })

  it('whose replies are lost are sent again in order to another node before anything new, with the same bound in time', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    const first = cluster.node(1)
    // Applied, and the answer is lost with the node.
    first.rule = message => {
      if (message.type !== 'commit') return 'pass'
      if (message.serial <= 3) cluster.apply(101, message)
      return 'ignore'
    }
    const writes = Promise.all(keys(6).map(key => set(client, key)))
    await cluster.world.runFor(50)
    const before = first.commits.slice(1)
    first.kill()
    const late = set(client, 'k7')
    await cluster.world.runFor(20)
    cluster.elect(2)
    await cluster.world.runToCompletion(Promise.all([writes, late]))
    assert.deepEqual(cluster.applied, ['k0', ...keys(7)])
    const again = [...cluster.node(2).commits, ...cluster.node(3).commits].filter(({ serial }) => serial <= 7)
    for (const { serial, copy, notAfterMicros } of again) {
      const original = before.find(commit => commit.serial === serial)
      if (original === undefined) continue
      assert.ok(copy > 0)
      assert.equal(notAfterMicros, original.notAfterMicros)
    }
    await cluster.world.runToCompletion(client.close())
  })
})
