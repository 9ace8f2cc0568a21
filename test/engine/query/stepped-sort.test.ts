import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SteppedSort } from '../../../src/engine/query/stepped-sort.ts'
import { END, STEP_RECORDS, Work } from '../../../src/engine/query/work.ts'
import { Dice, SEED } from '../keyspace/support.ts'
import { memoryOf } from './fixture.ts'

it(`a sort in steps sorts, keeps equal items in order, and works for no longer than a step at once (seed ${SEED})`, () => {
  const dice = new Dice(SEED)
  for (const length of [0, 1, 2, 255, 256, 257, 512, 513, 3_000, 20_000]) {
    const items = Array.from({ length }, (_, place) => ({ key: dice.below(1 + length / 3), place }))
    const expected = items.toSorted((a, b) => a.key - b.key)
    const work = new Work(memoryOf([]), 0, { scanRowsMax: 1, bytesMax: 1 }, false, undefined)
    let compared = 0
    const sort = new SteppedSort(work, items, (a, b) => {
      compared++
      return a.key - b.key
    })
    for (;;) {
      work.beginStep()
      compared = 0
      const pulled = sort.step()
      // Runs that are sorted at once need some comparisons an item.
      assert.ok(compared <= 12 * STEP_RECORDS, `${compared} comparisons`)
      if (pulled === END) break
    }
    assert.deepEqual(sort.sorted, expected)
  }
})
