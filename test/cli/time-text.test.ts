import assert from 'node:assert/strict'
import { it } from 'node:test'
import { timeText } from '../../src/cli/time-text.ts'

it('a time is written as ISO 8601 writes it', () => {
  const days = [0, 58, 59, 60, 365, 789, 790, 11_016, 11_017, 19_782, 19_783, 47_540, 47_541]
  for (const day of days) {
    for (const second of [0, 1, 3_599, 3_600, 86_399]) {
      const ms = (day * 86_400 + second) * 1000
      assert.equal(timeText(ms * 1000 + 999_999), `${new Date(ms).toISOString().slice(0, 19)}Z`)
    }
  }
})
