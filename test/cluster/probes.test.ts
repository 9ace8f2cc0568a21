import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ProcessCluster, quorate } from './processes.ts'

describe('the probes of three processes', { timeout: 120_000 }, () => {
  let cluster: ProcessCluster

  before(async () => {
    cluster = await ProcessCluster.create()
    cluster.startAll()
    await Promise.all([0, 1, 2].map(index => ready(index)))
  })
  after(() => cluster.remove())

  async function status(index: number, path: string): Promise<number> {
    const url = `http://127.0.0.1:${cluster.nodes[index]!.ports.admin}${path}`
    return fetch(url).then(
      answer => answer.status,
      () => 0,
    )
  }

  async function ready(index: number): Promise<void> {
    while ((await status(index, '/readyz')) !== 200) await delay(20)
  }

  it('name one leader and two followers', async () => {
    /** Waits, for an election may come in between; of a wrong status the test runs out of its time. */
    const codes = async (path: string, expected: readonly number[]): Promise<void> => {
      for (;;) {
        const seen = await Promise.all([0, 1, 2].map(index => status(index, path)))
        if (seen.toSorted((x, y) => x - y).join() === expected.join()) return
        await delay(20)
      }
    }
    await codes('/leaderz', [200, 503, 503])
    await codes('/leaderz?role=follower', [200, 200, 503])
    await codes('/leaderz?leader_code=201&follower_code=429', [201, 429, 429])
  })

  it('call a member ready that starts again while nobody writes', async () => {
    const leader = await cluster.leader()
    const follower = (leader + 1) % 3
    await cluster.kill(follower)
    assert.equal(await status(follower, '/livez'), 0)
    cluster.start(follower)
    await ready(follower)
    assert.equal(await status(follower, '/startupz'), 200)
  })

  it('leave a second process on the same directory its error, and a damaged one its exit code', async () => {
    const { directory } = cluster.nodes[0]!
    const second = await quorate('server', '--config', join(directory, 'config.yaml'))
    assert.equal(second.code, 1)
    assert.match(second.errors, /^quorate: directory_locked: .* is in use by process \d+/m)
    assert.equal(await status(0, '/livez'), 200)
    await cluster.kill(0)
    const file = await open(join(directory, 'log', 'votes'), 'r+')
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 9)
    await file.write(Buffer.of(buffer[0]! ^ 0x10), 0, 1, 9)
    await file.close()
    const damaged = await quorate('server', '--config', join(directory, 'config.yaml'))
    assert.equal(damaged.code, 4)
    assert.match(damaged.errors, /^quorate: damaged: .*log\/votes at \d+/m)
    assert.equal(await status(0, '/livez'), 0)
  })
})
