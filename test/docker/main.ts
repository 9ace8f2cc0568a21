/**
 * `npm run test:docker`: three nodes in containers of the image that the Dockerfile builds, set up as the pods of deploy/k8s, under a client
 * that writes all the time while the containers are killed, paused, cut off, replaced by a new version and robbed of their volumes.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'
import { ContainerCluster, TOKEN } from './container-cluster.ts'
import { Engine } from './engine.ts'
import { Load } from './load.ts'
import type { Episode } from './load.ts'

/** Far above what is seen (about one second), so that a busy machine decides nothing, and far below a client's patience. */
const GAP_MS_MAX = 20_000
const OWN_IMAGE_BYTES_MAX = 40 * 2 ** 20
const ALL = [0, 1, 2]

const engine = await Engine.find()
if (engine === undefined) {
  console.log(
    'not run: no Docker engine answers; `scripts/docker-engine.sh npm run test:docker` starts one on Debian as root',
  )
  process.exitCode = 75
} else {
  suite(engine)
}

function suite(engine: Engine): void {
  describe('three containers under a writing client', { timeout: 540_000 }, () => {
    let cluster: ContainerCluster
    let client: Client
    let load: Load
    const images: string[] = []
    const table: (Episode & { what: string; healedMs: number })[] = []
    let hasFailed = false

    /** One thing that is done to the cluster; `do` returns when it is done, `healed` when the cluster is whole again. */
    async function episode(what: string, act: () => Promise<void>, heal: () => Promise<void>): Promise<void> {
      assert.ok(!hasFailed, 'an earlier episode has left the cluster in pieces')
      hasFailed = true
      const seen = await load.during(act)
      const startMs = performance.now()
      const healed = await load.during(heal)
      const gapMs = Math.max(seen.gapMs, healed.gapMs)
      const healedMs = Math.round(performance.now() - startMs)
      table.push({ what, acknowledged: seen.acknowledged + healed.acknowledged, gapMs, healedMs })
      assert.ok(gapMs < GAP_MS_MAX, `${gapMs} ms without an acknowledgement`)
      hasFailed = false
    }

    const otherThan = (index: number): number[] => ALL.filter(other => other !== index)

    /** Puts a container of `image` in the place of a node's, on the volume that the node has. */
    async function replace(index: number, image: string): Promise<void> {
      assert.equal(await cluster.stop(index), 0, 'a node that is asked to stop ends with 0')
      await cluster.discard(index)
      await cluster.run(index, image)
    }

    let removal: Promise<void> | undefined
    function removeAll(): Promise<void> {
      removal ??= (async () => {
        await client?.close({ drain: false })
        await engine.remove()
        await cluster?.remove()
      })()
      return removal
    }

    before(async () => {
      // A suite that runs out of its time is told so by a signal.
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.once(signal, () => void removeAll().finally(() => process.exit(1)))
      }
      hasFailed = true
      images.push(await engine.build('suite-1'), await engine.build('suite-2'))
      cluster = await ContainerCluster.create(engine)
      // All have come to an end, well or not, before anything is removed.
      for (const started of await Promise.allSettled(ALL.map(index => cluster.run(index, images[0]!)))) {
        if (started.status === 'rejected') throw started.reason
      }
      client = await connect(cluster.endpoints, { token: TOKEN, timeoutMs: 60_000 })
      load = await Load.start(client)
      await load.progress(200)
      hasFailed = false
    })

    after(async () => {
      try {
        if (hasFailed && cluster !== undefined) {
          for (const index of ALL) console.log(await cluster.describe(index))
        }
        if (table.length > 0) console.table(table)
      } finally {
        // What still waits for an answer ends with the client.
        const stopped = load?.stop()
        await removeAll()
        await stopped
      }
    })

    it('have an image that is small and no root’s, and ports on 127.0.0.1 alone', async () => {
      assert.ok((await engine.ownBytes(images[0]!)) < OWN_IMAGE_BYTES_MAX)
      const { Config } = await engine.docker.getImage(images[0]!).inspect()
      assert.equal(Config.User, '1000:1000')
      assert.equal(Config.Labels['org.opencontainers.image.version'], 'suite-1')
      for (const index of ALL) {
        const { NetworkSettings, HostConfig } = await cluster.container(index).inspect()
        assert.equal(HostConfig.ReadonlyRootfs, true)
        for (const bindings of Object.values(NetworkSettings.Ports)) {
          for (const { HostIp } of bindings ?? []) assert.equal(HostIp, '127.0.0.1')
        }
        const lines = (await cluster.logs(index, 1_000)).trim().split('\n')
        for (const line of lines) assert.match(line, /^\{.*\}$/, 'everything that a node prints is a line of JSON')
      }
    })

    it('go on when the leader is killed, and take it back', async () => {
      const leader = await cluster.leader()
      const act = (): Promise<void> => cluster.container(leader).kill({ signal: 'SIGKILL' })
      await episode('leader killed', act, async () => {
        await cluster.container(leader).start()
        await cluster.ready(leader)
      })
    })

    it('go on when a follower is killed, and take it back', async () => {
      const [follower] = otherThan(await cluster.leader())
      const act = (): Promise<void> => cluster.container(follower!).kill({ signal: 'SIGKILL' })
      await episode('follower killed', act, async () => {
        await cluster.container(follower!).start()
        await cluster.ready(follower!)
      })
    })

    it('go on when the leader stands still, which then follows', async () => {
      const leader = await cluster.leader()
      const act = async (): Promise<void> => {
        await cluster.pause(leader)
        await cluster.leader(otherThan(leader))
      }
      await episode('leader paused', act, async () => {
        await cluster.container(leader).unpause()
        await cluster.leadsNoMore(leader)
        await cluster.ready(leader)
      })
    })

    it('go on when the leader is cut off from everybody, and take it back', async () => {
      const leader = await cluster.leader()
      const act = async (): Promise<void> => {
        await cluster.disconnect(leader)
        await cluster.leader(otherThan(leader))
      }
      await episode('leader cut off', act, async () => {
        await cluster.reconnect(leader)
        await cluster.ready(leader)
      })
    })

    it('are replaced by a new version one by one, and no request fails', async () => {
      const act = async (): Promise<void> => {
        for (const index of ALL.toReversed()) await replace(index, images[1]!)
      }
      await episode('new version', act, () => Promise.resolve())
      const { Id } = await engine.docker.getImage(images[1]!).inspect()
      for (const index of ALL) assert.equal((await cluster.container(index).inspect()).Image, Id)
    })

    for (const robbed of [0, 2]) {
      it(`never count the vote of quorate-${robbed} while it has an empty volume, and know it again with its own`, async () => {
        const node = cluster.nodes[robbed]!
        const own = node.volume
        const [kept, paused] = otherThan(robbed) as [number, number]
        const stopped = async (): Promise<void> => {
          await cluster.stop(robbed)
          await cluster.discard(robbed)
        }
        const act = async (): Promise<void> => {
          await stopped()
          node.volume = await engine.createVolume(`${node.name}-empty`)
          await cluster.run(robbed, images[1]!, false)
          await cluster.says(robbed, '/readyz', /\[-\]joined failed/)
          // With one real member left, a vote of the stranger would make a leader.
          await cluster.pause(paused)
          await cluster.leadsNoMore(kept)
          await cluster.says(kept, '/admin/v1/status', /"role":"candidate"/)
          await cluster.says(kept, '/readyz', /\[-\]leader failed/)
          for (const index of [kept, robbed]) assert.equal((await cluster.ask(index, '/leaderz')).status, 503)
          load.beginAnew()
          await cluster.container(paused).unpause()
        }
        await episode(`volume of ${node.name} empty`, act, async () => {
          for (const figure of ['quorate_raft_elections_started_total', 'quorate_raft_applied_seq']) {
            assert.equal(await cluster.metric(robbed, figure), 0, figure)
          }
          assert.match((await cluster.ask(robbed, '/readyz')).text, /\[-\]joined failed/)
          await stopped()
          node.volume = own
          await cluster.run(robbed, images[1]!)
        })
      })
    }

    it('have lost nothing and done nothing twice', async () => {
      await load.stop()
      const { errors, lost, unasked, counted, total, acknowledged } = await load.verdict()
      assert.deepEqual([errors, lost, unasked], [[], [], []])
      assert.equal(total, counted, 'increments')
      console.log(`${acknowledged} keys and ${counted} increments were acknowledged: all are there, none twice`)
    })

    it('are healthy to the engine', async () => {
      for (const index of ALL) await cluster.healthy(index)
    })
  })
}
