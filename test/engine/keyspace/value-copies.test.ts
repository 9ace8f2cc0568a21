import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeEffects, EffectLog } from '../../../src/engine/events/index.ts'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import { KV_PREFIX_BYTES } from '../../../src/engine/layers.ts'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { Dice, digestOf, hex, key, META, optionsFor, SEED } from './support.ts'
import type { Model } from './support.ts'

/** About the lengths at which another way of copying begins, and beyond what stays in a page. */
const LENGTHS = [0, 1, 19, 20, 21, 22, 47, 48, 49, 63, 64, 65, 127, 128, 129, 255, 256, 639, 640, 641, 900, 5_000]

describe('a value', () => {
  it('is the same whether it is an array of its own or part of another, new or in place of one of any length', async () => {
    const dice = new Dice(SEED)
    const files = new SimulatedDisk({ seed: 1 }).files()
    const keyspace = await Keyspace.create(optionsFor(files, 4096))
    const source = dice.bytes(12_000)
    const model: Model = new Map()
    const name = key('v')
    for (let seq = 1; seq <= 400; seq++) {
      const length = LENGTHS[dice.below(LENGTHS.length)]!
      const start = dice.below(5_000)
      const value = source.slice(start, start + length)
      const { writer } = keyspace
      keyspace.beginEpoch()
      writer.beginEntry(seq)
      assert.equal(writer.prepare([name]), undefined)
      if (dice.chance(2)) writer.put(name, value, seq, seq, 0)
      else writer.putPart(name, source, start, start + length, seq, seq, 0)
      keyspace.publish(seq, META)
      model.set(hex(name), { value, versionSeq: seq, createdSeq: seq, expiresAtMicros: 0 })
      using view = keyspace.view()
      assert.deepEqual(view.getSync(name)?.value, value, `${length} bytes from ${start}, seed ${SEED}`)
      assert.deepEqual(keyspace.digestS, digestOf(model))
    }
  })

  it('is the same in the effects of its entry', () => {
    const source = new Dice(SEED).bytes(12_000)
    const effects = new EffectLog()
    effects.beginEpoch(0)
    const name = new Uint8Array(KV_PREFIX_BYTES + 1).fill(0x61)
    const cases = LENGTHS.flatMap(length => [
      { part: source, start: 13, length },
      { part: source.slice(13, 13 + length), start: 0, length },
    ])
    for (const [i, { part, start, length }] of cases.entries()) {
      effects.beginEntry(i + 1)
      effects.put(7, name, part, start, start + length)
      effects.endEntry()
    }
    const values = decodeEffects(effects.bytes).map(entry => entry.effects[0]!.value!)
    assert.deepEqual(
      values.map(value => hex(value)),
      cases.map(({ length }) => hex(source.slice(13, 13 + length))),
    )
  })
})
