import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import { Cold } from '../../../src/engine/keyspace/cold.ts'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { Dice, key, META, optionsFor, SEED } from './support.ts'

const KEYS = 1_500

function nameOf(number: number): Uint8Array {
  return key(`k${String(number).padStart(6, '0')}`)
}

/** Even numbers are there, odd ones are not; the value says in which round it was written. */
async function write(keyspace: Keyspace, seq: number, round: number): Promise<void> {
  keyspace.beginEpoch()
  keyspace.writer.beginEntry(seq)
  for (let n = 0; n < KEYS; n++) {
    for (;;) {
      const cold = keyspace.writer.prepare([nameOf(2 * n)])
      if (cold === undefined) break
      await keyspace.load(cold)
    }
    keyspace.writer.put(nameOf(2 * n), new Uint8Array(20 + (n % 30)).fill(round), seq, 1, 0)
  }
  keyspace.publish(seq, META)
}

/** In order, against it, at random, and across the edges of leaves. */
function orderOf(dice: Dice): number[] {
  const step = 1 + dice.below(40)
  const from = dice.below(2 * KEYS)
  const walk = Array.from({ length: 60 }, (_, i) => from + i * step)
  switch (dice.below(4)) {
    case 0:
      return walk
    case 1:
      return walk.reverse()
    case 2:
      return walk.map(() => dice.below(2 * KEYS + 10))
    default:
      return walk.flatMap(number => [number, dice.below(2 * KEYS), number + 1])
  }
}

describe(`keys that are asked for one after the other (seed ${SEED})`, () => {
  for (const budgetPages of [1_000, 6]) {
    it(`are those of the view, in any order, with ${budgetPages} pages of memory`, async () => {
      const disk = new SimulatedDisk({ seed: SEED })
      const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096, { budgetBytes: budgetPages * 4096 }))
      await write(keyspace, 1, 1)
      const first = keyspace.view()
      await write(keyspace, 2, 2)
      const second = keyspace.view()
      await keyspace.checkpoint(wanted => wanted)
      const dice = new Dice(SEED)
      for (let i = 0; i < 120; i++) {
        const round = 1 + dice.below(2)
        const { reader } = round === 1 ? first : second
        for (const number of orderOf(dice)) {
          let found = reader.peek!(nameOf(number))
          while (found instanceof Cold) {
            await keyspace.load(found)
            found = reader.peek!(nameOf(number))
          }
          const isThere = number % 2 === 0 && number < 2 * KEYS
          assert.equal(found !== undefined, isThere, `key ${number}`)
          if (found === undefined) continue
          assert.equal(found.valueBytes, 20 + ((number / 2) % 30), `key ${number}`)
          assert.equal(found.bytes[found.valueAt], round, `key ${number}`)
        }
      }
      first.close()
      second.close()
      await keyspace.close()
    })
  }
})
