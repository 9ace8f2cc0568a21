import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../../src/encoding/index.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const PROJECT = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const
const set = (key: string, bytes: number) =>
  ({ mutations: [{ type: 'kvSet', project: 'p', key: utf8Bytes(key), value: new Uint8Array(bytes) }] }) as const

const LOG_BYTES = 90_000
const VALUE_BYTES = 1_000
/** What an entry has beside its value, and what is appended before the first of them, are less. */
const ROOM = 8

describe(`checkpoints of a group (seed ${seed})`, () => {
  it('are taken in turn, though all logs grow alike', async () => {
    const trio = new Trio(seed, { checkpointAgeMs: 600_000, checkpointLogBytes: LOG_BYTES })
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    await trio.commit(leader, session, PROJECT)
    /** After how many values each node had taken so many checkpoints. */
    const taken: Record<string, number[]> = { n1: [], n2: [], n3: [] }
    for (let values = 0; values <= (2.5 * LOG_BYTES) / VALUE_BYTES; values++) {
      for (const name of NAMES) {
        const { count } = trio.node(name).replica.inspect().checkpoints
        while (taken[name]!.length < count) taken[name]!.push(values)
      }
      await trio.commit(leader, session, set(`k${values}`, VALUE_BYTES))
      await trio.until('all have applied it', () => {
        const seqs = NAMES.map(name => trio.node(name).machine.appliedSeq)
        return seqs.every(seq => seq === seqs[0])
      })
    }
    const third = LOG_BYTES / VALUE_BYTES / 3
    for (const [rank, name] of NAMES.entries()) {
      for (const [nth, values] of taken[name]!.slice(0, 2).entries()) {
        const expected = third * (rank + 1 + 3 * nth)
        assert.ok(values > expected * 0.8 && values < expected + ROOM, `${name}: ${values}, expected ${expected}`)
      }
      assert.ok(taken[name]!.length >= 2, name)
    }
  })
})
