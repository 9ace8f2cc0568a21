import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../../src/encoding/index.ts'
import type { Outcome } from '../../../src/encoding/index.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const PROJECT = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const
const set = (key: string, value: string) =>
  ({ mutations: [{ type: 'kvSet', project: 'p', key: utf8Bytes(key), value: utf8Bytes(value) }] }) as const

describe(`a replica among three (seed ${seed})`, () => {
  it('bootstraps by identity, elects a leader, and reads what was written on any node', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    assert.equal((await trio.commit(leader, session, PROJECT)).status, 'committed')
    for (const name of NAMES) {
      assert.equal((await trio.commit(name, session, set('k', `from ${name}`))).status, 'committed')
      for (const reader of NAMES) {
        assert.deepEqual(
          await trio.read(reader, utf8Bytes('k')),
          utf8Bytes(`from ${name}`),
          `written at ${name}, read at ${reader}`,
        )
      }
    }
  })

  it('knows how far it is behind before it has what it lacks', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const behind = NAMES.find(name => name !== leader)!
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    trio.crash(behind)
    for (let i = 0; i < 60; i++) await trio.commit(leader, session, set(`k${i}`, 'x'.repeat(100_000)))
    const { commitSeq } = trio.node(leader).replica.status()
    await trio.start(behind)
    const status = () => trio.node(behind).replica.status()
    await trio.until('it has heard of all', () => status().commitSeq >= commitSeq)
    assert.ok(commitSeq - status().appliedSeq > 30, `applied ${status().appliedSeq} of ${commitSeq}`)
    await trio.until('it has all', () => status().appliedSeq >= commitSeq)
  })

  it('goes on without its leader, and applies a resent request once', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const first = await trio.untilLed()
    const follower = NAMES.find(name => name !== first)!
    const session = await trio.openSession(follower)
    await trio.commit(follower, session, PROJECT)
    const increment = {
      mutations: [{ type: 'kvIncrement', project: 'p', key: utf8Bytes('n'), by: 1n, width: 64 }],
    } as const
    const answered = trio.submit(follower, trio.request(session, increment))
    await trio.world.runFor(1)
    trio.crash(first)
    const outcome = await trio.world.runToCompletion(answered)
    assert.equal(outcome.status, 'committed')
    const again = await trio.world.runToCompletion(trio.submit(follower, trio.request(session, increment, 1, 2)))
    assert.deepEqual(again, { ...outcome, isDuplicate: true })
    assert.equal((await trio.read(follower, utf8Bytes('n')))!.at(-1), 1)
    await trio.start(first)
    await trio.untilLed()
    assert.equal((await trio.read(first, utf8Bytes('n')))!.at(-1), 1)
  })

  it('offers what it had placed with a lost leader before what came meanwhile', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const first = await trio.untilLed()
    const follower = NAMES.find(name => name !== first)!
    const session = await trio.openSession(follower)
    await trio.commit(follower, session, PROJECT)
    await trio.until('it has the project', () => trio.node(follower).replica.inspect().waiting === 0)
    trio.crash(first)
    const submit = (key: string): Promise<Outcome> => trio.submit(follower, trio.request(session, set(key, 'v')))
    const placed = [submit('k1'), submit('k2')]
    await trio.until('the leader is missed', () => trio.node(follower).replica.inspect().core.leader === 0)
    const all = await trio.world.runToCompletion(Promise.all([...placed, submit('k3')]))
    const seqs = all.map(outcome => (outcome.status === 'committed' ? outcome.seq : 0))
    assert.ok(seqs[0]! > 0 && seqs[1]! > seqs[0]! && seqs[2]! > seqs[1]!, `applied at ${seqs.join(', ')}`)
  })

  it('refuses a request without a session, whose answer nothing would tell from that of another', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    for (const name of NAMES) {
      const answered = trio.submit(name, trio.request(0, set('k', name)))
      await assert.rejects(trio.world.runToCompletion(answered), { code: 'malformed_request', applied: 'no' })
    }
    assert.equal(trio.node(leader).replica.inspect().waiting, 0)
  })

  it('brings a node that slept through checkpoints back by a snapshot', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    const sleeper = NAMES.find(name => name !== leader)!
    trio.crash(sleeper)
    for (let i = 0; i < 40; i++) await trio.commit(leader, session, set(`k${i}`, 'x'.repeat(900)))
    await trio.world.runToCompletion(trio.node(leader).replica.checkpoint())
    for (let i = 0; i < 40; i++) await trio.commit(leader, session, set(`k${i}`, 'y'.repeat(900)))
    await trio.world.runToCompletion(trio.node(leader).replica.checkpoint())
    await trio.start(sleeper)
    await trio.until(
      'the sleeper catches up',
      () => trio.node(sleeper).machine.appliedSeq >= trio.node(leader).machine.appliedSeq,
    )
    assert.deepEqual(await trio.read(sleeper, utf8Bytes('k7')), utf8Bytes('y'.repeat(900)))
  })

  it('hands leadership over without losing a request', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    const pending = Array.from({ length: 20 }, (_, i) => trio.submit(leader, trio.request(session, set(`k${i}`, 'v'))))
    const moved = trio.node(leader).replica.transferLeadership(undefined, 5_000)
    await trio.world.runToCompletion(moved)
    for (const outcome of await trio.world.runToCompletion(Promise.all(pending)))
      assert.equal(outcome.status, 'committed')
    assert.notEqual(await trio.untilLed(), leader)
  })

  it('hands leadership over though somebody else asks for it meanwhile', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const { replica } = trio.node(leader)
    const [first, second] = await trio.world.runToCompletion(
      Promise.allSettled([replica.transferLeadership(undefined, 5_000), replica.transferLeadership(undefined, 5_000)]),
    )
    assert.equal(first.status, 'fulfilled')
    assert.match(String(second.status === 'rejected' && second.reason), /transferring/)
    assert.notEqual(await trio.untilLed(), leader)
  })

  it('gives leadership up while its disk hangs, though its peers still answer', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    trio.machines.get(leader)!.stallThreads(20_000)
    const written = trio.submit(leader, trio.request(session, set('k', 'v')))
    await trio.until('another leads', () =>
      NAMES.some(name => name !== leader && trio.node(name).replica.inspect().core.role === 'leader'),
    )
    assert.equal((await trio.world.runToCompletion(written)).status, 'committed')
  })

  it('knows whose clock is off, whether it leads or follows', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const [off, right] = NAMES.filter(name => name !== leader) as [string, string]
    const offsetMs = (name: string): number => trio.node(name).replica.inspect().clockOffsetMicros / 1000
    const jump = (name: string, ms: number): void => trio.machines.get(name)!.process!.clock.jumpWall(ms * 1000)
    const isNear = (name: string, ms: number): boolean => Math.abs(offsetMs(name) - ms) < 50
    jump(off, 900)
    await trio.until('the follower knows', () => isNear(off, 900) && isNear(right, 0) && isNear(leader, 0))
    await trio.until('it campaigns last', () => trio.node(off).replica.inspect().core.isHandicapped)
    jump(off, -900)
    jump(leader, 1_200)
    await trio.until('the leader knows', () => isNear(leader, 1_200) && isNear(right, 0) && isNear(off, 0))
    const isHandicapped = (name: string): boolean => trio.node(name).replica.inspect().core.isHandicapped
    await trio.until('no follower is handicapped', () => ![off, right].some(isHandicapped))
  })

  it('campaigns last while its clock is off by more than half a second, either way', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const name = NAMES.find(other => other !== leader)!
    const { clock } = trio.machines.get(name)!.process!
    const isHandicapped = (): boolean => trio.node(name).replica.inspect().core.isHandicapped
    for (const sign of [1, -1]) {
      clock.jumpWall(sign * 400_000)
      await trio.world.runFor(500)
      const offMicros = Math.abs(trio.node(name).replica.inspect().clockOffsetMicros)
      assert.ok(offMicros > 350_000 && offMicros < 450_000, `${offMicros} us`)
      assert.equal(isHandicapped(), false)
      clock.jumpWall(sign * 200_000)
      await trio.until('it is handicapped', isHandicapped, 500)
      clock.jumpWall(sign * -600_000)
      await trio.until('it is not any more', () => !isHandicapped(), 500)
    }
  })

  it('keeps everything when all lose power at once', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    for (let i = 0; i < 30; i++) await trio.commit(leader, session, set(`k${i}`, `v${i}`))
    for (const name of NAMES) trio.crash(name)
    await trio.start()
    await trio.untilLed()
    for (let i = 0; i < 30; i++) assert.deepEqual(await trio.read('n2', utf8Bytes(`k${i}`)), utf8Bytes(`v${i}`))
  })
})
