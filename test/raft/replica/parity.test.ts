import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  backupSource,
  backupToDirectory,
  exportDump,
  findInconsistencies,
  parityOfDirectory,
  parityOfSource,
  restoreBackup,
  restoreDump,
} from '../../../src/engine/index.ts'
import type { EngineStateMachine, Parity } from '../../../src/engine/index.ts'
import { SeededRandom } from '../../../src/platform/simulated/index.ts'
import { parityWrite, SCHEMA, WRITE_KINDS } from './parity-writes.ts'
import type { ParityWriteKind } from './parity-writes.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const WRITERS = 3

/** What a state is, twice: as its replica counts it along, and as all its records give it. */
async function described(machine: EngineStateMachine): Promise<{ digest: string; parity: Parity }> {
  const source = machine.sourceSince(0)
  const { effectChain, sum } = source.manifest
  return { digest: JSON.stringify([effectChain, sum]), parity: await parityOfSource(source) }
}

describe('a state', () => {
  it('is the same by digest and by dump after following the log, recovery, an install and a restore, while writers write', async () => {
    const trio = new Trio(seed, { lagLogBytes: 32 << 10, checkpointAgeMs: 500 })
    await trio.start()
    const leader = await trio.untilLed()
    const [recovering, installing] = NAMES.filter(name => name !== leader) as [string, string]
    const session = await trio.openSession(leader)
    for (const operation of SCHEMA) {
      const { status } = await trio.commit(leader, session, { mutations: [{ type: 'ddl', operation }] })
      assert.equal(status, 'committed')
    }
    const over = new AbortController()
    let commits = 0
    const done = new Set<ParityWriteKind>()
    const write = async (writer: number): Promise<void> => {
      const own = await trio
        .node(leader)
        .replica.openSession(
          { caller: 'root', kind: 'client', nonce: Uint8Array.from({ length: 16 }, () => writer + 1) },
          5_000,
        )
      const random = new SeededRandom(seed).split(`writer ${writer}`)
      while (!over.signal.aborted) {
        const kind = random.pick(WRITE_KINDS)
        const { status } = await trio.submit(leader, trio.request(own, { mutations: parityWrite(random, kind) }))
        if (status === 'committed') done.add(kind)
        commits++
      }
    }
    const writers = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)))
    const more = (count: number): Promise<void> => {
      const wanted = commits + count
      return trio.until(`${count} more commits`, () => commits >= wanted, 120_000)
    }
    await more(150)
    trio.crash(recovering)
    await more(20)
    await trio.start(recovering)
    await more(20)
    trio.crash(installing)
    await more(900)
    await trio.start(installing)
    await trio.until('an install', () => trio.nodes.get(installing)?.machine.isInstalled === true, 60_000)
    await more(60)
    const { machine, log } = trio.node(leader)
    const platform = trio.machines.get(leader)!.process!
    const backup = await trio.world.runToCompletion(
      backupToDirectory(platform, backupSource(machine, log), '/backup', {}),
      60_000,
    )
    over.abort()
    await trio.world.runToCompletion(writers)
    // Keys end by ticks of leader time; these come to rest.
    await trio.world.runToCompletion(trio.world.delay(3_000))
    const all = NAMES.map(name => trio.node(name).machine)
    await trio.until('all have applied the same', () => new Set(all.map(({ appliedSeq }) => appliedSeq)).size === 1)
    const states = await trio.world.runToCompletion(Promise.all(all.map(described)))
    assert.equal(new Set(states.map(({ digest }) => digest)).size, 1)
    for (const { parity } of states) assert.deepEqual(parity, states[0]!.parity)
    assert.ok(states[0]!.parity.dataRecords > 100)
    assert.deepEqual(
      WRITE_KINDS.filter(kind => !done.has(kind)),
      [],
      'kinds of which nothing was committed',
    )
    for (const machine of all) {
      const { found, count } = await trio.world.runToCompletion(findInconsistencies(machine))
      assert.equal(count, 0, JSON.stringify(found[0]))
    }

    for (const name of NAMES) await trio.world.runToCompletion(trio.node(name).close())
    for (const name of NAMES) {
      const of = trio.machines.get(name)!.process!
      const offline = await trio.world.runToCompletion(parityOfDirectory(of, '/data'), 60_000)
      assert.deepEqual(offline.parity.data, states[0]!.parity.data, name)
    }
    const dumped = await trio.world.runToCompletion(exportDump(platform, '/data', '/dump'), 60_000)
    await trio.world.runToCompletion(restoreDump(platform, '/dump', '/of-dump', { pageBytes: 16384 }), 60_000)
    const ofDump = await trio.world.runToCompletion(parityOfDirectory(platform, '/of-dump'), 60_000)
    assert.deepEqual(ofDump.parity, dumped.parity)
    const restored = await trio.world.runToCompletion(restoreBackup(platform, ['/backup'], '/of-backup'), 60_000)
    assert.equal(restored.seq, backup.head.seq)
    const ofBackup = await trio.world.runToCompletion(parityOfDirectory(platform, '/of-backup'), 60_000)
    assert.deepEqual(ofBackup.state.sum, backup.head.sum)
  })
})
