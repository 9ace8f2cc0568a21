import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keys, set } from './calls.ts'
import { FakeCluster } from './fake-cluster.ts'

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

  it('move at once when another node tells of a new leader, though the old connection still looks alive', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    cluster.node(1).rule = () => 'ignore'
    const writes = Promise.all(keys(5).map(key => set(client, key)))
    await cluster.world.runFor(20)
    const startMs = cluster.world.nowMs
    cluster.term = 2
    cluster.leaderId = 3
    cluster.node(3).push()
    await cluster.world.runToCompletion(writes)
    assert.ok(cluster.world.nowMs - startMs < 50, `${cluster.world.nowMs - startMs} ms`)
    assert.equal(cluster.node(2).commits.length, 0)
    assert.deepEqual(cluster.applied, ['k0', ...keys(5)])
    assert.deepEqual(
      cluster.node(3).commits.map(({ serial }) => serial),
      [2, 3, 4, 5, 6],
    )
  })

  it('stay where they are when the news are older than what is known', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    cluster.elect(2)
    await cluster.world.runFor(20)
    cluster.node(3).push({ ...cluster.topologyOf(3), term: 1, leaderId: 3 })
    await cluster.world.runFor(20)
    assert.equal(client.topology?.leaderId, 2)
    await cluster.world.runToCompletion(set(client, 'k1'))
    assert.deepEqual(
      cluster.node(2).commits.map(({ serial }) => serial),
      [2],
    )
  })

  it('leave a node that is silent though connected, within three pings', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    cluster.node(1).rule = () => 'ignore'
    const startMs = cluster.world.nowMs
    await cluster.world.runToCompletion(set(client, 'k1'))
    const tookMs = cluster.world.nowMs - startMs
    assert.ok(tookMs > 1_000 && tookMs < 4_500, `${tookMs} ms`)
    assert.deepEqual(cluster.applied, ['k0', 'k1'])
    assert.ok(cluster.events.some(({ type }) => type === 'disconnected'))
  })

  it('leave a node that asks for it, and what it still answers counts', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    await cluster.world.runToCompletion(set(client, 'k0'))
    const leader = { nodeId: 2, clientAddress: 'n2:7400', term: 2 }
    for (const link of cluster.node(1).links) {
      link.send({ type: 'goaway', requestId: 0, reason: 'draining', graceMs: 500, leader })
    }
    await cluster.world.runFor(20)
    await cluster.world.runToCompletion(set(client, 'k1'))
    assert.equal(cluster.node(2).commits.length, 1)
    await cluster.world.runFor(2_000)
    const types = cluster.events.map(({ type }) => type)
    assert.ok(types.indexOf('goaway') < types.indexOf('disconnected'))
    assert.ok(types.lastIndexOf('connected') > types.indexOf('disconnected'), 'the pool comes back')
  })

  it('find members that the endpoints do not name', async () => {
    const cluster = new FakeCluster()
    cluster.leaderId = 3
    const client = await cluster.connect({}, 'ws://n2')
    await cluster.world.runToCompletion(set(client, 'k1'))
    assert.equal(cluster.node(3).commits.length, 1)
    assert.equal(cluster.node(2).links.size, 1)
  })
})
