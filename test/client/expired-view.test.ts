import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { RealCluster } from './real-cluster.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
/** Longer than a node keeps a view that nobody reads. */
const IDLE_MS = 40_000

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe(`a view of a client (seed ${seed})`, () => {
  it('shows its state while it is read, and ends with view_expired when it was idle and its state is gone', async () => {
    const world = new SimulatedWorld({ seed, drainMicrotasks })
    const cluster = new RealCluster(world)
    await world.runToCompletion(
      (async () => {
        await cluster.open()
        const client = await cluster.connect()
        await client.ddl({ type: 'createProject', project: 'p' })
        const kv = client.kv('p')
        await kv.set('k', bytes('0'))
        const view = await client.view()
        const pinned = async (): Promise<string> => new TextDecoder().decode(await view.kv('p').get('k'))
        const checkpoint = async (): Promise<void> => {
          for (const node of cluster.trio.nodes.values()) await node.replica.checkpoint()
        }
        // The window reaches back to the older checkpoint: one more does not move it beyond the view.
        await checkpoint()
        await kv.set('k', bytes('1'))
        assert.equal(await pinned(), '0')
        await world.delay(IDLE_MS / 4)
        assert.equal(await pinned(), '0')
        for (let i = 2; i < 5; i++) {
          await world.delay(IDLE_MS)
          await kv.set('k', bytes(`${i}`))
          await checkpoint()
        }
        await world.delay(IDLE_MS)
        await assert.rejects(pinned(), { code: 'view_expired' })
        await assert.rejects(pinned(), { code: 'view_expired' })
        await view.close()
        assert.equal(new TextDecoder().decode(await kv.get('k')), '4')
        await client.close()
        await cluster.close()
      })(),
    )
  })
})
