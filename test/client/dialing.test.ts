import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keys, set } from './calls.ts'
import { FakeCluster } from './fake-cluster.ts'
import type { FakeNode } from './fake-cluster.ts'

const N1 = 'ws://n1:7400/v1/connect'
const hellos = (node: FakeNode): number => node.received.filter(({ type }) => type === 'hello').length

function attempts(cluster: FakeCluster): number {
  return cluster.events.filter(event => event.type === 'reconnecting' && event.url === N1).length
}

describe('a node that takes a connection and says no welcome', () => {
  it('is given up when the time of a dial is over, is dialled again, and keeps nobody waiting', async () => {
    const cluster = new FakeCluster()
    const node = cluster.node(1)
    node.rule = message => (message.type === 'hello' ? 'ignore' : 'pass')
    cluster.leaderId = 2
    const client = await cluster.connect({ dialTimeoutMs: 1_000, pingBusyMs: 200 })
    await cluster.world.runToCompletion(Promise.all(keys(3).map(key => set(client, key))))
    await cluster.world.runFor(600)
    assert.deepEqual([hellos(node), node.links.size, attempts(cluster)], [1, 1, 0], 'not yet')
    await cluster.world.runFor(500)
    assert.ok(attempts(cluster) >= 1)
    assert.equal(hellos(node), 2)
    assert.equal(node.links.size, 1, 'the first connection is closed')
    node.rule = () => 'pass'
    await cluster.world.runFor(1_500)
    assert.ok(cluster.events.some(event => event.type === 'connected' && event.nodeId === 1))
    await cluster.world.runToCompletion(client.close())
  })
})

describe('a dial that nobody answers', () => {
  it('is given up when its time is over, and made again', async () => {
    const cluster = new FakeCluster()
    cluster.leaderId = 2
    cluster.network.partition([['n1'], ['n2', 'n3', 'client']])
    const client = await cluster.connect({ dialTimeoutMs: 1_000 })
    await cluster.world.runFor(700)
    assert.equal(attempts(cluster), 0, 'not yet')
    await cluster.world.runFor(400)
    assert.equal(attempts(cluster), 1)
    cluster.network.heal()
    await cluster.world.runFor(1_500)
    assert.ok(cluster.events.some(event => event.type === 'connected' && event.nodeId === 1))
    await cluster.world.runToCompletion(client.close())
  })
})
