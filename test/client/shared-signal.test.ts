import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { it } from 'node:test'
import { formatToken } from '../../src/model/index.ts'
import { errorOf, keys, set } from './calls.ts'
import { FakeCluster, HISTORY } from './fake-cluster.ts'

const CALLS = 20

it('one signal may be given to any number of calls at a time, and hears of no more than one of them', async () => {
  const cluster = new FakeCluster()
  const client = await cluster.connect()
  const { world } = cluster
  const controller = new AbortController()
  const { signal } = controller
  const listeners = (): number => getEventListeners(signal, 'abort').length
  const names = keys(CALLS)
  await world.runToCompletion(Promise.all(names.map(key => set(client, key, { signal }))))
  await world.runToCompletion(Promise.all(names.map(() => client.projects({ signal }))))
  assert.equal(listeners(), 0, 'what has ended listens no more')
  for (const node of cluster.nodes) node.rule = ({ type }) => (type === 'read' || type === 'commit' ? 'ignore' : 'pass')
  const ended = [
    ...names.map(() => errorOf(client.projects({ signal }))),
    ...names.map(key => errorOf(set(client, key, { signal }))),
  ]
  const from = formatToken(HISTORY, 100)
  const watches = names.map(() => client.watch({ project: 'p' }, { from, signal })[Symbol.asyncIterator]().next())
  const locks = client.lockScope()
  await locks.lock('here')
  const rival = client.lockScope()
  const waits = names.map(() => errorOf(rival.lock('here', { signal })))
  await world.runFor(10)
  assert.equal(listeners(), 1)
  controller.abort()
  const errors = await world.runToCompletion(Promise.all([...ended, ...waits]))
  assert.deepEqual([...new Set(errors.map(({ code }) => code))], ['aborted'])
  for (const { done } of await world.runToCompletion(Promise.all(watches))) assert.equal(done, true)
  assert.equal(listeners(), 0)
  assert.equal((await errorOf(client.projects({ signal: 'now' as unknown as AbortSignal }))).code, 'invalid_argument')
  await world.runToCompletion(client.close({ drain: false }))
})

it('the reads of a transaction at the same time are one listener of its signal', async () => {
  const cluster = new FakeCluster()
  const client = await cluster.connect()
  let most = 0
  for (const node of cluster.nodes) node.rule = ({ type }) => (type === 'read' ? 'ignore' : 'pass')
  const running = client.transaction(
    async tx => {
      const reads = Promise.all(keys(CALLS).map(key => tx.kv('p').get(key)))
      most = getEventListeners(tx.signal, 'abort').length
      await reads
    },
    { timeoutMs: 100 },
  )
  assert.equal((await cluster.world.runToCompletion(errorOf(running))).code, 'timeout')
  assert.ok(most >= 1 && most <= 2, `${most} listeners`)
  await cluster.world.runToCompletion(client.close())
})
