import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseEndpoints } from '../../src/client/index.ts'
import type { ConnectOptions } from '../../src/client/index.ts'
import { keys, set } from './calls.ts'
import { FakeCluster } from './fake-cluster.ts'

describe('endpoints', () => {
  it('are a list of hosts in one URL, or several, with the usual port and path', () => {
    assert.deepEqual(parseEndpoints('ws://h1:7401,h2'), ['ws://h1:7401/v1/connect', 'ws://h2:7400/v1/connect'])
    assert.deepEqual(parseEndpoints(['h1', 'http://h2/x']), ['ws://h1:7400/v1/connect', 'ws://h2:7400/x'])
    assert.throws(() => parseEndpoints(''), { code: 'invalid_argument' })
    assert.throws(() => parseEndpoints('ftp://h'), { code: 'invalid_argument' })
  })

  it('keep a port that is given, the usual ones of http among them, and have 7400 with TLS too', () => {
    assert.deepEqual(parseEndpoints('ws://h1:80,[::1]:80'), ['ws://h1/v1/connect', 'ws://[::1]/v1/connect'])
    assert.deepEqual(parseEndpoints('wss://h1:443,h2'), ['wss://h1/v1/connect', 'wss://h2:7400/v1/connect'])
    assert.deepEqual(parseEndpoints('[::1]'), ['ws://[::1]:7400/v1/connect'])
  })

  it('are texts', () => {
    for (const wrong of [undefined, null, 7400, [7400], {}]) {
      assert.throws(() => parseEndpoints(wrong as string), { code: 'invalid_argument' }, typeof wrong)
    }
  })
})

describe('options of a connection', () => {
  it('that are undefined are not given', async () => {
    const cluster = new FakeCluster()
    const none = { timeoutMs: undefined, pingBusyMs: undefined, dialTimeoutMs: undefined, token: undefined }
    const client = await cluster.connect(none as unknown as ConnectOptions)
    await cluster.world.runToCompletion(set(client, 'k1'))
    await cluster.world.runToCompletion(client.close())
  })

  for (const wrong of [
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { dialTimeoutMs: -1 },
    { pingIdleMs: '5' },
    { latencyWindowMs: -1 },
    { readFrom: 'follower' },
  ]) {
    it(`are refused where they make no sense: ${Object.entries(wrong).join(' ')}`, async () => {
      const cluster = new FakeCluster()
      await assert.rejects(cluster.connect(wrong as unknown as ConnectOptions), { code: 'invalid_argument' })
    })
  }
})

it('a write may have all the time there is', async () => {
  const cluster = new FakeCluster()
  const client = await cluster.connect()
  const times = [Number.MAX_SAFE_INTEGER, Infinity, 1e15]
  for (const [i, timeoutMs] of times.entries()) {
    await cluster.world.runToCompletion(set(client, keys(3)[i]!, { timeoutMs }))
  }
  const bounds = cluster.node(1).commits.map(({ notAfterMicros }) => notAfterMicros)
  assert.deepEqual(bounds, [0, 0, 0])
  await cluster.world.runToCompletion(client.close())
})
