import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../../src/encoding/index.ts'
import {
  backupSource,
  backupToDirectory,
  openEngine,
  openForReading,
  restoreBackup,
  restoreMember,
} from '../../../src/engine/index.ts'
import type { BackupManifest, BackupSource, RestoredCluster } from '../../../src/engine/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import type { Files } from '../../../src/platform/index.ts'
import type { SimulatedProcess } from '../../../src/platform/simulated/index.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const PROJECT = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const
const set = (key: string, bytes: number) =>
  ({ mutations: [{ type: 'kvSet', project: 'p', key: utf8Bytes(key), value: new Uint8Array(bytes).fill(7) }] }) as const
const MEMBERS = NAMES.map(name => ({ name, peerAddress: `${name}:1`, clientAddress: `${name}:2` }))
const CLUSTER: RestoredCluster = { members: MEMBERS, restoreId: 'after the fire' }
const SIZES = { pageBytes: 4096, budgetBytes: 1 << 20 } as const

async function copyDirectory(from: Files, to: Files, directory: string): Promise<void> {
  await to.makeDirectory(directory)
  for (const name of await from.list(directory)) {
    const source = await from.open(`${directory}/${name}`, 'read')
    const bytes = new Uint8Array(source.sizeSync())
    await source.read(bytes, 0)
    await source.close()
    const target = await to.open(`${directory}/${name}`, 'create')
    await target.write(bytes, 0)
    await target.sync()
    await target.close()
  }
}

/** Takes a backup at a node while requests go on. */
function backUp(trio: Trio, name: string, directory: string, parent?: string): Promise<BackupManifest> {
  const { replica, machine, log } = trio.node(name)
  const hold = replica.holdLog()
  const source = slow(
    trio,
    backupSource(machine, log, () => replica.requireTrusted()),
  )
  const platform = trio.machines.get(name)!.process!
  return backupToDirectory(platform, source, directory, { ...(parent !== undefined && { parent }) }).finally(() =>
    hold.release(),
  )
}

/** Images that take their time. */
function slow(trio: Trio, source: BackupSource): BackupSource {
  const sourceSince = source.sourceSince.bind(source)
  source.sourceSince = sinceSeq => {
    const images = sourceSince(sinceSeq)
    const next = images.next.bind(images)
    images.next = async bytes => {
      await trio.world.delay(30)
      return await next(bytes)
    }
    return images
  }
  return source
}

/** A cluster that was written to, with a full and an incremental backup of two of its nodes; `writing` never stood still. */
async function backedUp(): Promise<{ trio: Trio; manifests: BackupManifest[]; follower: string }> {
  const trio = new Trio(seed)
  await trio.start()
  const leader = await trio.untilLed()
  const followers = NAMES.filter(name => name !== leader)
  const session = await trio.openSession(leader)
  assert.equal((await trio.commit(leader, session, PROJECT)).status, 'committed')
  const over = new AbortController()
  const writing = (async () => {
    for (let i = 0; !over.signal.aborted; i++)
      await trio.submit(leader, trio.request(session, set(`k${i % 90}`, 200 + 31 * (i % 9))))
  })()
  const watched = trio.node(followers[0]!).machine
  const manifests: BackupManifest[] = []
  const runThem = (async () => {
    while (watched.appliedSeq < 150) await trio.world.delay(5)
    manifests.push(await backUp(trio, followers[0]!, '/full'))
    while (watched.appliedSeq < 500) await trio.world.delay(5)
    const [from, to] = followers.map(name => trio.machines.get(name)!.process!.files)
    await copyDirectory(from!, to!, '/full')
    manifests.push(await backUp(trio, followers[1]!, '/next', '/full'))
    over.abort()
    await writing
  })()
  await trio.world.runToCompletion(runThem, 120_000)
  return { trio, manifests, follower: followers[1]! }
}

function processOf(trio: Trio, name: string): SimulatedProcess {
  return trio.machines.get(name)!.process!
}

describe('a backup of a node that serves', () => {
  it('is taken of any node, and continued by another one, while requests go on', async () => {
    const { trio, manifests, follower } = await backedUp()
    const [full, next] = manifests as [BackupManifest, BackupManifest]
    assert.deepEqual([full.type, next.type, next.parentId], ['full', 'incremental', full.backupId])
    assert.ok(full.head.seq > full.state.seq && next.state.seq > full.head.seq, 'requests went on')
    const process = processOf(trio, follower)
    for (const [chain, { head }] of [[['/full'], full] as const, [['/full', '/next'], next] as const]) {
      const target = `/alone${chain.length}`
      const restored = await trio.world.runToCompletion(restoreBackup(process, chain, target, SIZES), 60_000)
      assert.equal(restored.seq, head.seq)
      const engine = await trio.world.runToCompletion(openEngine(target, SIZES, process))
      let keys = 0
      await trio.world.runToCompletion(
        (async () => {
          for await (const { value } of engine.kv('p').scan()) keys += value.length >= 200 ? 1 : 0
          await engine.close()
        })(),
      )
      assert.equal(keys, 90)
    }
  })

  it('is restored as a cluster whose members agree on who they are and on every byte of the state', async () => {
    const { trio, manifests, follower } = await backedUp()
    const { head } = manifests[1]!
    const source = processOf(trio, follower).files
    const fresh = new Trio(trio.world)
    for (const name of NAMES) {
      const process = fresh.machines.get(name)!.start()
      const restored = await trio.world.runToCompletion(
        (async () => {
          for (const directory of ['/full', '/next']) await copyDirectory(source, process.files, directory)
          return await restoreMember(process, ['/full', '/next'], '/data', name, CLUSTER, SIZES)
        })(),
        120_000,
      )
      assert.equal(restored.newSeq, head.seq + 1_000_000)
      fresh.machines.get(name)!.crash('process')
    }
    await fresh.start()
    const leader = await fresh.untilLed()
    for (const name of NAMES) {
      const { machine, replica } = fresh.node(name)
      assert.deepEqual(
        machine.configuration?.members.map(({ name: member, nodeId }) => [member, nodeId]),
        NAMES.map((member, index) => [member, index + 1]),
      )
      assert.notEqual(replica.historyId, manifests[1]!.historyId)
    }
    assert.equal(await fresh.read(leader, utf8Bytes('k3')).then(value => value?.[0]), 7)
    const session = await fresh.openSession(leader)
    assert.equal((await fresh.commit(leader, session, set('after', 3))).status, 'committed')
    const { appliedSeq } = fresh.node(leader).machine
    assert.ok(appliedSeq > head.seq + 1_000_000)
    const all = NAMES.map(name => fresh.node(name).machine)
    await fresh.until('all are there', () => all.every(machine => machine.appliedSeq >= appliedSeq))
    await fresh.until('all agree', () => new Set(all.map(({ appliedSeq: seq }) => seq)).size === 1)
    assert.equal(new Set(all.map(({ digest }) => JSON.stringify(digest))).size, 1)
    fresh.crash(leader)
    assert.equal(await fresh.read(await fresh.untilLed(), utf8Bytes('after')).then(value => value?.length), 3)
  })

  it('makes members of another history where point, list or restore id differ, and refuses what is no list', async () => {
    const { trio, manifests, follower } = await backedUp()
    const process = processOf(trio, follower)
    let number = 0
    const restore = async (name: string, cluster: RestoredCluster, seq?: number): Promise<string> => {
      const options = { ...SIZES, ...(seq !== undefined && { seq }) }
      const work = restoreMember(process, ['/full'], `/m${number++}`, name, cluster, options)
      return (await trio.world.runToCompletion(work, 60_000)).historyId
    }
    const histories = [
      await restore('n1', CLUSTER),
      await restore('n1', { ...CLUSTER, restoreId: 'another' }),
      await restore('n1', { ...CLUSTER, members: MEMBERS.slice(0, 2) }),
      await restore('n1', CLUSTER, manifests[0]!.head.seq - 1),
    ]
    assert.equal(new Set(histories).size, 4)
    assert.equal(await restore('n2', CLUSTER), histories[0])
    const wrong: [string, RestoredCluster][] = [
      ['n4', CLUSTER],
      ['n1', { ...CLUSTER, members: [] }],
      ['n1', { ...CLUSTER, members: [...MEMBERS, MEMBERS[0]!] }],
      ['n1', { ...CLUSTER, restoreId: '' }],
    ]
    for (const [name, cluster] of wrong) await assert.rejects(restore(name, cluster), isInvalid)
    assert.deepEqual(
      (await trio.world.runToCompletion(process.files.list('/'))).filter(name => name.startsWith('m')).length,
      5,
      'nothing was made of a wrong list',
    )
  })

  it('of a state that is not trusted any more comes to no end', async () => {
    const { trio, follower } = await backedUp()
    const { machine, log, replica } = trio.node(follower)
    const refused = new QuorateError('fenced', 'the state differs from that of its peers')
    const source = backupSource(machine, log, () => {
      throw refused
    })
    const work = backupToDirectory(processOf(trio, follower), source, '/refused', {})
    await assert.rejects(trio.world.runToCompletion(work), refused)
    assert.equal(
      (await trio.world.runToCompletion(processOf(trio, follower).files.list('/refused'))).includes('manifest.json'),
      false,
    )
    replica.requireTrusted()
    await trio.world.runToCompletion(replica.close())
    assert.throws(() => replica.requireTrusted(), { code: 'closed' })
  })
})

describe('the directory of a node', () => {
  it('is read as far as it is certainly committed, also before its first checkpoint', async () => {
    const trio = new Trio(seed, { checkpointAgeMs: 600_000, checkpointLogBytes: 64 << 20 })
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    await trio.commit(leader, session, set('kept', 5))
    // The commit is in the log's own frames with the next append.
    await trio.commit(leader, session, set('also', 5))
    const { log, machine } = trio.node(leader)
    const committed = machine.appliedSeq
    for (const name of NAMES) if (name !== leader) trio.wire.cutOff.add(name)
    trio.submit(leader, trio.request(session, set('lost', 5))).catch(() => undefined)
    await trio.until(
      'it is in the log of the leader alone',
      () => log.lastSeq > committed && log.syncedIoSeq === log.ioSeq,
    )
    assert.equal(machine.newestCheckpointSeq, 0)
    trio.crash(leader)
    const process = trio.machines.get(leader)!.start()
    const database = await trio.world.runToCompletion(openForReading('/data', process, { budgetBytes: 1 << 20 }))
    const found = await trio.world.runToCompletion(database.kv('p').getMany(['kept', 'lost']))
    assert.deepEqual(
      found.map(value => value?.length),
      [5, undefined],
    )
    await trio.world.runToCompletion(database.close())
  })

  it('is not opened as a database of one process, which would go on with what a majority has to agree on', async () => {
    const trio = new Trio(seed)
    await trio.start()
    await trio.untilLed()
    const process = processOf(trio, 'n1')
    await trio.world.runToCompletion(trio.node('n1').close())
    await assert.rejects(trio.world.runToCompletion(openEngine('/data', SIZES, process)), isInvalid)
    await trio.world.runToCompletion(openEngine('/other', SIZES, process).then(engine => engine.close()))
  })
})

function isInvalid(error: unknown): boolean {
  return error instanceof QuorateError && error.code === 'invalid_argument'
}
