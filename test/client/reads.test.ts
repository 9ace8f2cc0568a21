import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Client } from '../../src/client/index.ts'
import { formatToken, QuorateError } from '../../src/model/index.ts'
import type { WatchEvent, WireWatchEvent } from '../../src/model/index.ts'
import { errorOf } from './calls.ts'
import { FakeCluster, HISTORY } from './fake-cluster.ts'
import type { FakeNode } from './fake-cluster.ts'

const reads = (node: FakeNode): number => node.received.filter(({ type }) => type === 'read').length

/** Any read will do: the node answers none of them with entries, and so the facade says. */
function read(client: Client, options = {}): Promise<unknown> {
  return client
    .kv('p')
    .get('k', options)
    .catch((error: unknown) => {
      if (error instanceof QuorateError && error.code === 'internal') return 'answered'
      throw error
    })
}

describe('reads', () => {
  it('go to the leader, or anywhere if that was chosen', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    for (let i = 0; i < 20; i++) await cluster.world.runToCompletion(read(client))
    assert.deepEqual(cluster.nodes.map(reads), [20, 0, 0])
    const other = new FakeCluster()
    const roaming = await other.connect({ readFrom: 'any' })
    for (let i = 0; i < 60; i++) await other.world.runToCompletion(read(roaming))
    assert.ok(
      other.nodes.every(node => reads(node) > 5),
      other.nodes.map(reads).join(),
    )
  })

  it('whose node is lost, or refuses for now, are made elsewhere', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    cluster.node(1).rule = message => (message.type === 'read' ? 'ignore' : 'pass')
    const lost = read(client)
    await cluster.world.runFor(20)
    cluster.node(1).kill()
    assert.equal(await cluster.world.runToCompletion(lost), 'answered')
    for (const node of cluster.nodes.slice(1)) {
      let isFirst = true
      node.rule = message => {
        if (message.type !== 'read' || !isFirst) return 'pass'
        isFirst = false
        const error = new QuorateError('unavailable', 'no leader', { retryable: true })
        return [{ type: 'error', requestId: message.requestId, error }]
      }
    }
    assert.equal(await cluster.world.runToCompletion(read(client)), 'answered')
  })

  it('that are given up are cancelled', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    cluster.node(1).rule = message => (message.type === 'read' ? 'ignore' : 'pass')
    const error = await cluster.world.runToCompletion(errorOf(read(client, { timeoutMs: 100 })))
    assert.deepEqual([error.code, error.applied], ['timeout', 'no'])
    await cluster.world.runFor(20)
    const [asked] = cluster.node(1).received.filter(({ type }) => type === 'read')
    assert.ok(
      cluster.node(1).received.some(({ type, requestId }) => type === 'cancel' && requestId === asked!.requestId),
    )
  })

  it('of a view that was given up before it was open leave no view behind', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    const node = cluster.node(1)
    node.rule = message => (message.type === 'openView' ? 'ignore' : 'pass')
    assert.equal((await cluster.world.runToCompletion(errorOf(client.view({ timeoutMs: 100 })))).code, 'timeout')
    await cluster.world.runFor(20)
    const [asked] = node.received.filter(({ type }) => type === 'openView')
    const [link] = node.links
    link!.send({ type: 'viewOpened', requestId: asked!.requestId, viewId: 77, seq: 100 })
    await cluster.world.runFor(20)
    const closed = node.received.filter(message => message.type === 'closeView')
    assert.deepEqual(
      closed.map(({ viewId }) => viewId),
      [77],
    )
  })

  it('of a view go on at the same seq on another node', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    const view = await cluster.world.runToCompletion(client.view())
    const { seq } = view
    const ask = (): Promise<unknown> =>
      view
        .kv('p')
        .get('k')
        .catch((error: unknown) => error)
    await cluster.world.runToCompletion(ask())
    cluster.seq += 10
    cluster.node(1).kill()
    await cluster.world.runFor(50)
    await cluster.world.runToCompletion(ask())
    const again = [...cluster.node(2).received, ...cluster.node(3).received].filter(({ type }) => type === 'openView')
    assert.equal(again.length, 1)
    assert.deepEqual(again[0]?.type === 'openView' && again[0].consistency, { atSeq: formatToken(HISTORY, seq) })
    const [asked] = [...cluster.node(2).received, ...cluster.node(3).received].filter(({ type }) => type === 'read')
    assert.equal(asked?.type === 'read' && asked.viewId, cluster.views)
    await view.close()
    await cluster.world.runFor(20)
    const closed = cluster.nodes.flatMap(({ received }) => received).filter(({ type }) => type === 'closeView')
    assert.equal(closed.length, 1)
  })
})

describe('a watch', () => {
  const commit = (seq: number): WireWatchEvent => ({
    type: 'commit',
    seq,
    changes: [{ key: new Uint8Array([97]), kind: 'put', value: new Uint8Array([1]), seq }],
  })

  it('goes on elsewhere after the last event it was given, without a gap and without an event twice', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    const serve = (node: FakeNode, events: (fromSeq: number) => WireWatchEvent[]): void => {
      node.rule = message => {
        if (message.type !== 'watch') return 'pass'
        const fromSeq = Number(message.from!.split(':')[1])
        return [{ type: 'watchEvents', requestId: message.requestId, events: events(fromSeq) }]
      }
    }
    const asked: number[] = []
    const log = [101, 103, 104, 110, 120].map(commit)
    serve(cluster.node(1), fromSeq => {
      asked.push(fromSeq)
      return [...log.slice(0, 2), { type: 'progress', seq: 103 }]
    })
    for (const node of cluster.nodes.slice(1)) {
      serve(node, fromSeq => {
        asked.push(fromSeq)
        // This node repeats an event, as none should.
        return log.filter(({ seq }) => seq >= fromSeq)
      })
    }
    const seen: string[] = []
    const watching = (async () => {
      for await (const event of client.watch({ project: 'p' }, { from: formatToken(HISTORY, 100) })) {
        seen.push(`${event.type} ${event.seq}`)
        if (event.seq === 120) return
      }
    })()
    await cluster.world.runFor(50)
    assert.deepEqual(seen, ['commit 101', 'commit 103', 'progress 103'])
    cluster.node(1).kill()
    await cluster.world.runToCompletion(watching)
    assert.deepEqual(seen.slice(3), ['commit 104', 'commit 110', 'commit 120'])
    assert.deepEqual(asked, [100, 103])
  })

  it('from now on begins at a point that is known, so that a lost connection loses nothing', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    const iterator = client.watch({ project: 'p' })[Symbol.asyncIterator]()
    const next: Promise<IteratorResult<WatchEvent>> = iterator.next()
    await cluster.world.runFor(50)
    const [first] = cluster.node(1).received.filter(({ type }) => type === 'watch')
    assert.equal(first?.type === 'watch' && first.from, formatToken(HISTORY, 100))
    cluster.seq += 50
    cluster.node(1).kill()
    await cluster.world.runFor(50)
    const [again] = [...cluster.node(2).received, ...cluster.node(3).received].filter(({ type }) => type === 'watch')
    assert.equal(again?.type === 'watch' && again.from, formatToken(HISTORY, 100))
    const ended = errorOf(next)
    await client.close()
    assert.equal((await cluster.world.runToCompletion(ended)).code, 'closed')
  })

  it('hands over a reset with a view of the node that sent it', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    cluster.node(1).rule = message =>
      message.type === 'watch'
        ? [
            {
              type: 'watchEvents',
              requestId: message.requestId,
              events: [{ type: 'reset', seq: 140, viewId: 77 }, commit(141)],
            },
          ]
        : 'pass'
    const iterator = client.watch({ project: 'p' }, { from: formatToken(HISTORY, 3) })[Symbol.asyncIterator]()
    const { value } = await cluster.world.runToCompletion(iterator.next())
    const event = value as WatchEvent
    assert.ok(event.type === 'reset')
    assert.equal(event.view.seq, 140)
    await event.view.close()
    assert.equal(((await cluster.world.runToCompletion(iterator.next())).value as WatchEvent).seq, 141)
    await cluster.world.runToCompletion(iterator.return!())
    await cluster.world.runFor(20)
    const closed = cluster.node(1).received.filter(({ type }) => type === 'closeView' || type === 'cancel')
    assert.deepEqual(
      closed.map(({ type }) => type),
      ['closeView', 'cancel'],
    )
  })
})

it('a view that a watch was given and nobody took is closed, also when the watch had failed by then', async () => {
  const cluster = new FakeCluster()
  const client = await cluster.connect()
  cluster.node(1).rule = ({ type, requestId }) =>
    type === 'watch'
      ? [
          {
            type: 'watchEvents',
            requestId,
            events: [
              { type: 'commit', seq: 139, changes: [] },
              { type: 'reset', seq: 140, viewId: 77 },
            ],
          },
          { type: 'error', requestId, error: new QuorateError('permission_denied', 'no more') },
        ]
      : 'pass'
  const iterator = client.watch({ project: 'p' }, { from: formatToken(HISTORY, 3) })[Symbol.asyncIterator]()
  assert.equal(((await cluster.world.runToCompletion(iterator.next())).value as WatchEvent).seq, 139)
  await cluster.world.runFor(20)
  await cluster.world.runToCompletion(iterator.return!())
  await cluster.world.runFor(20)
  const closed = cluster.node(1).received.filter(({ type }) => type === 'closeView')
  assert.deepEqual(
    closed.map(message => message.type === 'closeView' && message.viewId),
    [77],
  )
})

describe('a node that has lost its leader while others have one', () => {
  it('is left by reads and watches, though it answers', async () => {
    const cluster = new FakeCluster()
    const client = await cluster.connect()
    cluster.node(1).rule = message => (message.type === 'read' ? 'ignore' : 'pass')
    const iterator = client.watch({ project: 'p' }, { from: formatToken(HISTORY, 100) })[Symbol.asyncIterator]()
    void iterator.next().catch(() => undefined)
    const waiting = read(client)
    await cluster.world.runFor(50)
    const startMs = cluster.world.nowMs
    cluster.node(1).push({ ...cluster.topologyOf(1), leaderId: 0 })
    await cluster.world.runFor(20)
    cluster.term = 2
    cluster.leaderId = 2
    cluster.node(2).push()
    assert.equal(await cluster.world.runToCompletion(waiting), 'answered')
    assert.ok(cluster.world.nowMs - startMs < 100, `${cluster.world.nowMs - startMs} ms`)
    await cluster.world.runFor(20)
    assert.ok(cluster.node(2).received.some(({ type }) => type === 'watch'))
    assert.ok(cluster.node(1).received.filter(({ type }) => type === 'cancel').length === 2)
    await client.close()
  })
})
