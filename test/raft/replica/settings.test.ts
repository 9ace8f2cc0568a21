import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_SETTINGS as DEFAULT_CLUSTER } from '../../../src/model/index.ts'
import { DEFAULT_SETTINGS, findSettingsError } from '../../../src/raft/core/index.ts'
import { coreSettings } from '../../../src/raft/core-settings.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const setting = (name: string, value: number) =>
  ({ mutations: [{ type: 'ddl', operation: { type: 'setSetting', name, value } }] }) as const

describe(`replicated settings of the core (seed ${seed})`, () => {
  it('work together whatever each of them is', () => {
    for (const heartbeatMs of [5, 50, 5_000]) {
      for (const electionTimeoutMinMs of [50, 300, 60_000]) {
        for (const electionTimeoutMaxMs of [60, 600, 120_000]) {
          const settings = { ...DEFAULT_CLUSTER, heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs }
          assert.equal(findSettingsError({ ...DEFAULT_SETTINGS, ...coreSettings(settings) }), undefined)
        }
      }
    }
  })

  it('count on every node as soon as they are applied there, and after a restart, also where they contradict each other', async () => {
    const trio = new Trio(seed)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, setting('heartbeatMs', 400))
    const heartbeats = (): number[] => NAMES.map(name => trio.node(name).replica.inspect().core.settings.heartbeatMs)
    await trio.until('all know it', () => heartbeats().every(ms => ms === 400))
    await trio.world.runToCompletion(trio.node(leader).replica.checkpoint())
    for (const name of NAMES) trio.crash(name)
    await trio.start()
    await trio.untilLed()
    await trio.until('all know it again', () => heartbeats().every(ms => ms === 400))
  })
})
