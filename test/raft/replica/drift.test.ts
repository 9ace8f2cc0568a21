import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../../src/encoding/index.ts'
import type { QuorateError, StateDigest, StateMachine, StateView } from '../../../src/model/index.ts'
import { replaceTextFile } from '../../../src/platform/index.ts'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { DriftWatch } from '../../../src/raft/drift.ts'
import { FenceFile } from '../../../src/raft/index.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const VOTERS = [1, 2, 3]
const record = (seq: number, effectChain: number): StateDigest => ({ seq, effectChain, sum: { hi: 0, lo: 0 } })

describe('digests of peers', () => {
  const watchOf = (...own: StateDigest[]): DriftWatch =>
    new DriftWatch({ digests: own, appliedSeq: own.at(-1)?.seq ?? 0 } as unknown as StateMachine)
  const said = (seq: number, effectChain: number) => watchOf(record(seq, effectChain)).newest()!

  it('are told by the leader where a majority has the same, and not what only it has itself', () => {
    const leader = watchOf(record(4_096, 7))
    assert.equal(leader.note(2, said(4_096, 8), VOTERS), undefined)
    assert.equal(leader.agreed(1, VOTERS), undefined)
    assert.equal(leader.note(3, said(4_096, 7), VOTERS), undefined)
    assert.equal(leader.agreed(1, VOTERS)?.chain, 7)
    assert.equal(leader.agreed(1, VOTERS), undefined, 'once')
  })

  it('show who differs: a follower by what the leader says, a leader by a majority of others', () => {
    const follower = watchOf(record(4_096, 8))
    assert.equal(follower.noteAgreed(said(8_192, 7)), undefined, 'not there yet')
    assert.equal(follower.noteAgreed(said(4_096, 8)), undefined)
    assert.equal(follower.noteAgreed(said(4_096, 7))?.seq, 4_096)
    const machine = { digests: [] as StateDigest[], appliedSeq: 4_095 }
    const late = new DriftWatch(machine as unknown as StateMachine)
    assert.equal(late.noteAgreed(said(4_096, 7)), undefined)
    assert.equal(late.recorded(), undefined)
    machine.appliedSeq = 4_100
    machine.digests.push(record(4_096, 8))
    assert.equal(late.recorded()?.seq, 4_096, 'as soon as it is there')
    assert.equal(late.recorded(), undefined, 'once')
    const leader = watchOf(record(4_096, 8))
    assert.equal(leader.note(2, said(4_096, 7), VOTERS), undefined)
    assert.equal(leader.note(4, said(4_096, 7), VOTERS), undefined, 'a learner does not count')
    assert.equal(leader.note(3, said(4_096, 7), VOTERS)?.seq, 4_096)
    assert.equal(leader.agreed(1, VOTERS), undefined)
  })
})

const PROJECT = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const
const set = (key: string, value: string) =>
  ({ mutations: [{ type: 'kvSet', project: 'p', key: utf8Bytes(key), value: utf8Bytes(value) }] }) as const
const isFencedError = (error: QuorateError): boolean =>
  error.code === 'fenced' && error.retryable && error.applied === 'no'

const BAD = '!written'

/** Three nodes of which one, `ill`, writes something else than the others for `BAD` while `isIll`. */
interface Group {
  readonly trio: Trio
  readonly ill: string
  readonly session: number
  isIll: boolean
}

async function groupOf(kind: 'leader' | 'follower'): Promise<Group> {
  const trio = new Trio(seed)
  const group = { trio, ill: '', session: 0, isIll: true }
  const isBad = (name: string, value: Uint8Array): boolean =>
    group.isIll && name === group.ill && Buffer.from(value).toString() === BAD
  trio.tuning = name => ({
    digestInterval: 16,
    alterValue: (_, value) => (isBad(name, value) ? utf8Bytes('?written') : value),
  })
  await trio.start()
  const leader = await trio.untilLed()
  group.session = await trio.openSession(leader)
  await trio.commit(leader, group.session, PROJECT)
  group.ill = kind === 'leader' ? leader : NAMES.find(name => name !== leader)!
  return group
}

const driftOf = ({ trio, ill }: Group): unknown => trio.node(ill).replica.inspect().drift

/** Has it write `BAD` and waits until it is found; at once. */
async function untilFound(group: Group): Promise<void> {
  const { trio, ill, session } = group
  const well = NAMES.find(name => name !== ill)!
  await trio.commit(well, session, set('bad', BAD))
  for (let i = 0; i < 17; i++) void trio.submit(well, trio.request(session, set(`k${i}`, 'v')))
  await trio.until('it is found', () => driftOf(group) !== undefined)
}

async function untilRebuilt(group: Group): Promise<void> {
  const { trio, ill } = group
  await trio.until('it is rebuilt', () => driftOf(group) === undefined)
  const leader = await trio.untilLed()
  const { machine } = trio.node(ill)
  await trio.until('it has caught up', () => machine.appliedSeq === trio.node(leader).machine.appliedSeq)
}

describe(`a replica that drifts (seed ${seed})`, () => {
  for (const kind of ['leader', 'follower'] as const) {
    it(`is fenced and then rebuilt: a ${kind}`, async () => {
      const group = await groupOf(kind)
      const { trio, ill, session } = group
      const { replica, machine } = trio.node(ill)
      await trio.until('it has the project', () => machine.appliedSeq === trio.node(trio.leader!).machine.appliedSeq)
      const view = await trio.world.runToCompletion(
        new Promise<StateView>((resolve, reject) =>
          replica.whenReadable('local', 1e9, (found, error) => (found === undefined ? reject(error!) : resolve(found))),
        ),
      )
      const ends: string[] = []
      const selector = { caller: 'root', project: 'p', scope: 'app', prefix: new Uint8Array(0) }
      const sink = {
        queuedBytes: 0,
        commit: () => undefined,
        rows: () => undefined,
        progress: () => undefined,
        reset: () => undefined,
        failed: (error: QuorateError) => void ends.push(error.code),
      }
      replica.watch(selector, undefined, sink)

      await untilFound(group)
      group.isIll = false
      const answered = trio.submit(ill, trio.request(session, { mutations: [] }))
      await assert.rejects(trio.world.runToCompletion(answered), isFencedError)
      await assert.rejects(trio.read(ill, utf8Bytes('bad'), 'local'), isFencedError)
      assert.throws(() => view.read({ type: 'get', project: 'p', scope: 'app', keys: [] }, 'root'), isFencedError)
      view.release()
      assert.deepEqual(ends, ['fenced'])
      assert.throws(() => replica.watch(selector, undefined, sink), isFencedError)
      await trio.until('it is known to be unfit', () => trio.node(ill).replica.inspect().core.isFenced)
      await trio.until('another one leads', () => trio.leader !== undefined && trio.leader !== ill)

      await untilRebuilt(group)
      await trio.until('its core may lead again', () => !replica.inspect().core.isFenced)
      assert.deepEqual(await trio.read(ill, utf8Bytes('bad'), 'local'), utf8Bytes(BAD))
      assert.equal((await trio.commit(ill, session, set('k', 'v'))).status, 'committed')
      for (let i = 0; i < 17; i++) await trio.commit(ill, session, set('k', `${i}`))
      await untilRebuilt(group)
      const [newest, ...others] = NAMES.map(name => trio.node(name).machine.digests.at(-1))
      assert.ok(newest !== undefined)
      for (const other of others) assert.deepEqual(other, newest)
      for (const name of NAMES) assert.equal(trio.node(name).replica.inspect().drift, undefined, name)
    })
  }

  it('stays fenced over a restart until it is rebuilt, and not longer', async () => {
    const group = await groupOf('follower')
    const { trio, ill } = group
    await untilFound(group)
    group.isIll = false
    trio.wire.cutOff.add(ill)
    await trio.world.runFor(100)
    trio.crash(ill)
    await trio.start(ill)
    assert.ok(driftOf(group) !== undefined, 'the restarted node knows')
    await assert.rejects(trio.read(ill, utf8Bytes('bad'), 'local'), isFencedError)
    await trio.world.runFor(5_000)
    assert.ok(driftOf(group) !== undefined, 'nobody has rebuilt it')
    trio.wire.cutOff.delete(ill)
    await untilRebuilt(group)
    assert.deepEqual(await trio.read(ill, utf8Bytes('bad'), 'local'), utf8Bytes(BAD))
    trio.crash(ill)
    await trio.start(ill)
    assert.equal(driftOf(group), undefined)
  })

  it('that crashes before its fence is kept is fenced by the first word of its leader, before it answers as of now', async () => {
    const group = await groupOf('follower')
    const { trio, ill } = group
    await untilFound(group)
    trio.crash(ill)
    const files = trio.machines.get(ill)!.disk.files()
    assert.equal(await files.size('/data/fence.json'), undefined, 'the fence was not kept')
    await trio.start(ill)
    await trio.until('it knows its leader', () => trio.node(ill).replica.inspect().core.leader !== 0)
    await assert.rejects(trio.read(ill, utf8Bytes('bad')), isFencedError)
    assert.ok(driftOf(group) !== undefined)
    group.isIll = false
    await untilRebuilt(group)
    assert.deepEqual(await trio.read(ill, utf8Bytes('bad')), utf8Bytes(BAD))
  })

  it('is rebuilt by itself once an hour, and stays fenced until then if it drifts again', async () => {
    const group = await groupOf('follower')
    const { trio } = group
    await untilFound(group)
    await untilRebuilt(group)
    await untilFound(group)
    group.isIll = false
    await trio.world.runFor(10_000)
    assert.ok(driftOf(group) !== undefined)
    for (const { process } of trio.machines.values()) process!.clock.jumpWall(3_600_000_000)
    await untilRebuilt(group)
    assert.deepEqual(await trio.read(group.ill, utf8Bytes('bad'), 'local'), utf8Bytes(BAD))
  })
})

describe(`a leader whose S is not the sum of its records (seed ${seed})`, () => {
  it('finds that when a snapshot of it does not fit, hands over, and is rebuilt like who lacked it', async () => {
    const trio = new Trio(seed, { segmentBytes: 16 << 10, checkpointLogBytes: 8 << 10, lagLogBytes: 4 << 10 })
    let ill = ''
    // Seqs with digests are so far apart that none are compared.
    trio.keyspaceMutants = name => ({
      get digestKeepsOverwritten() {
        return name === ill
      },
    })
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    const [lagging, other] = NAMES.filter(name => name !== leader) as [string, string]
    trio.wire.cutOff.add(lagging)
    await trio.commit(leader, session, set('k', 'a'))
    ill = leader
    await trio.commit(leader, session, set('k', 'b'))
    ill = ''
    const { machine, replica } = trio.node(leader)
    const { carried, found } = await trio.world.runToCompletion(machine.recomputeDigest(() => trio.world.delay(0)))
    assert.notDeepEqual(carried.sum, found)
    const isShort = (): boolean => trio.node(leader).log.base.seq > trio.node(lagging).machine.appliedSeq
    for (let i = 0; !isShort(); i++) await trio.commit(leader, session, set(`k${i % 100}`, 'v'.repeat(500)))
    assert.equal(trio.leader, leader)
    assert.equal(replica.inspect().drift, undefined, 'nobody has compared anything')

    trio.wire.cutOff.delete(lagging)
    await trio.until('it is found', () => replica.inspect().drift !== undefined)
    await trio.until('it leads no more', () => trio.leader !== undefined && trio.leader !== leader)
    await trio.until('it is rebuilt', () => replica.inspect().drift === undefined)
    const isLevel = (): boolean =>
      NAMES.every(name => trio.node(name).machine.appliedSeq === trio.node(other).machine.appliedSeq)
    await trio.until('all have caught up', isLevel)
    const [newest, ...others] = NAMES.map(name => trio.node(name).machine.digest)
    for (const digest of others) assert.deepEqual(digest, newest)
  })

  it('goes on if it is the peer that has it wrong', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    for (let i = 0; i < 20; i++) await trio.commit(leader, session, set(`k${i}`, 'v'))
    const { machine, replica } = trio.node(leader)
    const { carried, found } = await trio.world.runToCompletion(machine.recomputeDigest(() => trio.world.delay(0)))
    assert.deepEqual(found, carried.sum)
    assert.equal(carried.seq, machine.appliedSeq)
    assert.equal(replica.inspect().drift, undefined)
    assert.equal(trio.leader, leader)
  })
})

describe('the file of a fence', () => {
  const drift = { seq: 4_096, own: 'a', others: 'b' }

  it('keeps what was written, and is void once the state was installed behind it', async () => {
    const files = new SimulatedDisk({ seed }).files()
    await files.makeDirectory('d')
    const file = await FenceFile.open(files, 'd')
    assert.deepEqual(file.record, { drift: null, rebuiltAtMicros: 0 })
    await file.write({ drift, rebuiltAtMicros: 5 })
    await (await FenceFile.open(files, 'd')).installedAt(4_095)
    assert.deepEqual((await FenceFile.open(files, 'd')).record, { drift, rebuiltAtMicros: 5 })
    await (await FenceFile.open(files, 'd')).installedAt(4_096)
    assert.deepEqual((await FenceFile.open(files, 'd')).record, { drift: null, rebuiltAtMicros: 5 })
  })

  it('stands for a fence if it cannot be read', async () => {
    for (const text of ['', '{', 'null', '{"format":2}', '{"format":1,"drift":{},"rebuiltAtMicros":1}']) {
      const files = new SimulatedDisk({ seed }).files()
      await files.makeDirectory('d')
      await replaceTextFile(files, 'd', 'fence.json', text)
      const file = await FenceFile.open(files, 'd')
      assert.ok(file.record.drift !== null, text)
      await file.installedAt(1_000_000)
      assert.ok(file.record.drift !== null, 'nobody knows where it was put up')
    }
  })
})
