import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  appendToLog,
  bytesThrough,
  chainAt,
  compactLog,
  createLogView,
  findAgreementGuess,
  findConflict,
  lastTerm,
  rangeEnd,
  termAt,
  truncateLog,
} from '../../../src/raft/core/log-view.ts'
import { historyOf } from './rig.ts'
import { makeEntry, toBatch, type SimEntry } from './sim/entries.ts'
import { Chance } from './sim/random.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const empty = { seq: 0, term: 0, chain: 0 }

describe('the log view', () => {
  it(`answers like a list of entries through appends, truncations and compactions (seed ${seed})`, () => {
    const chance = new Chance(seed, 1)
    for (let round = 0; round < 60; round++) {
      const log = createLogView(empty)
      let model: SimEntry[] = [] // index 0 is seq 1, compacted ones included
      let base = 0
      for (let step = 0; step < 60; step++) {
        const action = chance.between(0, 5)
        if (action <= 3) {
          const lowest = model.at(-1)?.term ?? 1
          const batch: SimEntry[] = []
          for (let i = 0, count = chance.between(1, 40); i < count; i++) {
            const previous = batch.at(-1) ?? model.at(-1)
            const term = Math.max(lowest, previous?.term ?? 1) + (chance.isTrue(0.1) ? 1 : 0)
            const seq = model.length + batch.length + 1
            batch.push(
              makeEntry(seq, term, previous?.chain ?? 0, { value: chance.between(0, 900), configuration: null }),
            )
          }
          // The leader may send entries again that we have: only the new ones are appended.
          const overlap = Math.min(chance.between(0, 5), model.length - base)
          appendToLog(log, toBatch([...model.slice(model.length - overlap), ...batch]), model.length + 1)
          model.push(...batch)
        } else if (action === 4 && model.length > base) {
          const from = chance.between(base + 1, model.length)
          truncateLog(log, from)
          model = model.slice(0, from - 1)
        } else if (model.length > base) {
          base = chance.between(base, model.length)
          compactLog(log, base)
        }
        assert.equal(log.lastSeq, model.length)
        assert.equal(lastTerm(log), model.at(-1)?.term ?? 0)
        for (let seq = Math.max(1, base); seq <= model.length; seq++) {
          assert.equal(termAt(log, seq), model[seq - 1]!.term)
          assert.equal(chainAt(log, seq), model[seq - 1]!.chain)
        }
        assert.equal(termAt(log, model.length + 1), undefined)
        if (base > 0) assert.equal(termAt(log, base - 1), undefined)
      }
    }
  })

  it('knows sizes exactly at batch boundaries and in between roughly', () => {
    const log = createLogView(empty)
    const history = historyOf([1, 1, 1, 1, 2, 2, 2, 2])
    appendToLog(log, toBatch(history.slice(0, 4)), 1)
    appendToLog(log, toBatch(history.slice(4)), 5)
    const sum = (count: number): number => history.slice(0, count).reduce((total, entry) => total + entry.byteLength, 0)
    assert.equal(bytesThrough(log, 4), sum(4))
    assert.equal(bytesThrough(log, 8), sum(8))
    assert.ok(bytesThrough(log, 2) > 0 && bytesThrough(log, 2) < sum(4))
    compactLog(log, 4)
    assert.equal(bytesThrough(log, 8) - bytesThrough(log, 4), sum(8) - sum(4))
  })

  it('cuts a range by entries and by bytes, and never to nothing', () => {
    const log = createLogView(empty)
    const history = historyOf(Array.from({ length: 100 }, () => 1))
    appendToLog(log, toBatch(history), 1)
    assert.equal(rangeEnd(log, 1, 10, 1e9), 10)
    assert.equal(rangeEnd(log, 95, 10, 1e9), 100)
    assert.equal(rangeEnd(log, 5, 100, 1), 5)
    const end = rangeEnd(log, 1, 100, 500)
    assert.ok(bytesThrough(log, end) <= 500 && bytesThrough(log, end + 1) > 500)
  })

  it('finds the first conflict, and none where terms agree (L1)', () => {
    const log = createLogView(empty)
    appendToLog(log, toBatch(historyOf([1, 1, 2, 2])), 1)
    const batchFrom = (terms: number[], first: number): ReturnType<typeof toBatch> =>
      toBatch(historyOf(terms).slice(first - 1))
    assert.equal(findConflict(log, batchFrom([1, 1, 2, 2, 3], 2), 2), undefined)
    assert.equal(findConflict(log, batchFrom([1, 1, 3, 3], 2), 2), 3)
    assert.equal(findConflict(log, batchFrom([1, 1, 2, 3], 3), 3), 4)
    assert.equal(findConflict(log, batchFrom([1, 1, 2, 2, 3], 5), 5), undefined)
  })

  it('guesses the agreement one term at a time (L6)', () => {
    const log = createLogView(empty)
    appendToLog(log, toBatch(historyOf([1, 1, 4, 4, 5, 5])), 1)
    assert.deepEqual(findAgreementGuess(log, 6, 5), { seq: 6, term: 5 })
    assert.deepEqual(findAgreementGuess(log, 9, 4), { seq: 4, term: 4 })
    assert.deepEqual(findAgreementGuess(log, 5, 3), { seq: 2, term: 1 })
    assert.deepEqual(findAgreementGuess(log, 5, 0), { seq: 0, term: 0 })
  })
})
