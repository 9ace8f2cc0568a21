import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { QuorateError } from '../../../src/model/index.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const encoder = new TextEncoder()
const KEY = encoder.encode('k')
const set = (text: string) =>
  ({ mutations: [{ type: 'kvSet', project: 'p', key: KEY, value: encoder.encode(text) }] }) as const
const setting = (name: string, value: number) =>
  ({ mutations: [{ type: 'ddl', operation: { type: 'setSetting', name, value } }] }) as const
const PROJECT = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const

describe(`settings that change (seed ${seed})`, () => {
  it('make no retry of an applied commit one that was not applied, though it is beyond the limits by now', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    const large = { mutations: [{ type: 'kvSet', project: 'p', key: KEY, value: new Uint8Array(100_000) }] } as const
    const request = trio.request(session, large)
    const first = await trio.world.runToCompletion(trio.submit(leader, request))
    assert.equal(first.status, 'committed')
    const other = await trio.openSession(leader)
    const bounded = await trio.commit(leader, other, setting('transactionBytesMax', 65_536))
    assert.equal(bounded.status, 'committed')
    const serial = 2
    const copy = await trio.world.runToCompletion(trio.submit(leader, trio.request(session, large, 1, serial)))
    assert.deepEqual(copy, { ...first, isDuplicate: true })
    // What nothing is known of may have been decided all the same; a first sending was not.
    for (const [copyNumber, applied] of [
      [1, 'unknown'],
      [0, 'no'],
    ] as const) {
      const sent = trio.submit(leader, trio.request(session, large, copyNumber, serial + 7))
      await assert.rejects(trio.world.runToCompletion(sent), (error: unknown) => {
        assert.ok(error instanceof QuorateError)
        assert.deepEqual([error.code, error.applied], ['transaction_too_large', applied])
        return true
      })
    }
  })

  // How much of the lease is left when the candidate campaigns is up to the seed.
  for (let i = 0; i < 5; i++) {
    it(`let no voter vote against a lease that it does not know to be allowed (seed ${seed + i})`, () =>
      restartUnderLease(seed + i))
  }
})

async function restartUnderLease(seed: number): Promise<void> {
  const trio = new Trio(seed)
  const cut = new Set<string>()
  const isOpen = trio.wire.isOpen.bind(trio.wire)
  trio.wire.isOpen = (a, b) => isOpen(a, b) && !cut.has(`${a} ${b}`) && !cut.has(`${b} ${a}`)
  const core = (name: string) => trio.node(name).replica.inspect().core
  await trio.start()
  const leader = await trio.untilLed()
  const session = await trio.openSession(leader)
  await trio.commit(leader, session, PROJECT)
  await trio.commit(leader, session, set('old'))
  for (const name of NAMES) await trio.world.runToCompletion(trio.node(name).replica.checkpoint())
  await trio.commit(leader, session, setting('leaseReads', 1)) // after the checkpoints
  await trio.until('all know', () => NAMES.every(name => core(name).settings.isLeaseAllowed))
  const [voter, candidate] = NAMES.filter(name => name !== leader) as [string, string]
  cut.add(`${leader} ${candidate}`)
  const msLeft = (): number => core(candidate).electionDeadlineMs - core(candidate).nowMs
  await trio.until('the candidate is about to campaign', () => msLeft() < 20)
  // The voter has promised the lease by its last answer, and remembers nothing of it.
  trio.crash(voter)
  cut.add(`${leader} ${voter}`)
  await trio.start(voter)
  assert.ok(trio.node(leader).replica.inspect().leaseMs! > 0)
  const leads = (name: string): boolean => core(name).role === 'leader'
  await trio.until('another leads', () => leads(candidate) || leads(voter))
  assert.equal(trio.node(leader).replica.inspect().leaseMs ?? 0, 0, 'two leaders at once')
}
