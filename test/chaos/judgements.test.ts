import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { History, judgeAppends, judgeWatched } from './history.ts'
import type { AppendFate, AppendFound } from './history.ts'

const once = (seq: number): AppendFound => ({ seq, createdSeq: seq })

/** Two acknowledged appends, one in doubt that is there, one in doubt that is not, one refused: all as it should be. */
function sound(): { appends: Map<string, AppendFate>; found: Map<string, AppendFound>; counted: bigint } {
  return {
    appends: new Map<string, AppendFate>([
      ['a/1', 'acknowledged'],
      ['a/2', 'acknowledged'],
      ['a/3', 'unknown'],
      ['a/4', 'unknown'],
      ['a/5', 'refused'],
    ]),
    found: new Map([
      ['a/1', once(10)],
      ['a/2', once(12)],
      ['a/3', once(13)],
    ]),
    counted: 3n,
  }
}

describe('the judgement of appends', () => {
  const judge = (change: (state: ReturnType<typeof sound>) => void): string[] => {
    const state = sound()
    change(state)
    return judgeAppends(state.appends, state.found, state.counted)
  }

  it('finds nothing where everything is as it was told', () => {
    assert.deepEqual(
      judge(() => undefined),
      [],
    )
  })

  it('finds what was acknowledged and is lost', () => {
    const found = judge(state => {
      state.found.delete('a/2')
      state.counted = 2n
    })
    assert.equal(found.length, 1)
    assert.match(found[0]!, /^lost: a\/2/)
  })

  it('finds what was refused and is there', () => {
    const found = judge(state => {
      state.found.set('a/5', once(14))
      state.counted = 4n
    })
    assert.match(found.join(), /^a\/5 was refused/)
  })

  it('finds what was applied twice, by its key and by its increment', () => {
    const byKey = judge(state => state.found.set('a/1', { seq: 11, createdSeq: 10 }))
    assert.match(byKey.join(), /^doubled: a\/1 was created at 10 and written again at 11/)
    const byIncrement = judge(state => (state.counted = 4n))
    assert.match(byIncrement.join(), /^doubled or torn: 4 increments beside 3 appends/)
  })

  it('finds half a commit and what nobody wrote', () => {
    assert.match(judge(state => (state.counted = 2n)).join(), /2 increments beside 3 appends/)
    const strange = judge(state => {
      state.found.set('a/9', once(20))
      state.counted = 4n
    })
    assert.match(strange.join(), /^a\/9 is there, and nobody wrote it/)
  })
})

describe('the judgement of a watch', () => {
  const { found } = sound()
  const shown = new Map([...found].map(([key, { seq }]) => [key, seq]))

  it('finds what it missed, showed wrongly or made up', () => {
    assert.deepEqual(judgeWatched(shown, found), [])
    assert.match(judgeWatched(new Map([...shown].slice(1)), found).join(), /^the watch missed a\/1 of 10$/)
    assert.match(
      judgeWatched(new Map([...shown, ['a/2', 11]]), found).join(),
      /^the watch showed a\/2 at 11, it is of 12$/,
    )
    assert.match(
      judgeWatched(new Map([...shown, ['a/7', 11]]), found).join(),
      /^the watch showed a\/7, which is not there$/,
    )
  })
})

describe('the history', () => {
  it('judges registers and counters, and counts what it could not decide as a violation too', () => {
    const history = new History()
    const at = { calledAt: 1, returnedAt: 2 }
    history.registers.push({ key: 'r', input: { type: 'read' }, output: { type: 'value', value: 'x', seq: 5 }, ...at })
    history.counters.push({ key: 'c', input: { type: 'add', by: 1n }, output: 2n, ...at })
    history.judge()
    assert.equal(history.violations.length, 2)
    assert.match(history.violations[0]!, /^not linearizable: r/)
    assert.match(history.violations[1]!, /^not linearizable: c/)
    history.judge()
    assert.equal(history.violations.length, 2, 'a history is judged once')
  })

  it('tells the longest time without an acknowledged write, also one that reaches beyond the fault', () => {
    const history = new History()
    for (const atMs of [100, 110, 400, 410, 900]) history.acknowledged(atMs)
    assert.equal(history.longestGapMs(100, 110), 290)
    assert.equal(history.longestGapMs(405, 600), 490)
    assert.equal(history.longestGapMs(410, 410), 490)
    assert.equal(history.longestGapMs(900, 2_000), 1_100)
    assert.equal(history.acknowledgedBetween(105, 410), 2)
  })
})
