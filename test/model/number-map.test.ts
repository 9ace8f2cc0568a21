import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NumberMap } from '../../src/model/index.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'

interface Item {
  readonly name: string
}

function assertSame(map: NumberMap<Item>, reference: ReadonlyMap<number, Item>, keys: Iterable<number>): void {
  assert.equal(map.size, reference.size)
  for (const key of keys) {
    assert.equal(map.get(key), reference.get(key), `key ${key}`)
    assert.equal(map.has(key), reference.has(key), `key ${key}`)
  }
  assert.deepEqual(new Set(map.values()), new Set(reference.values()))
  assert.deepEqual(new Map(map.entries()), reference)
}

describe('a map from numbers', () => {
  const seed = Number(process.env['QUORATE_SEED'] ?? 77)
  const spaces: Record<string, (n: number) => number> = {
    consecutive: n => n,
    'of the same low bits': n => (n % 8) * 1024 + Math.floor(n / 8),
    'beyond 32 bits': n => 2 ** 52 - 1 - n * 3,
  }
  for (const [name, keyOf] of Object.entries(spaces)) {
    it(`keys ${name}: has what was put in and not removed, whatever came between (seed ${seed})`, () => {
      const random = new SeededRandom(seed)
      const map = new NumberMap<Item>()
      const reference = new Map<number, Item>()
      const keys = Array.from({ length: 96 }, (_, n) => keyOf(n))
      for (let step = 0; step < 4_000; step++) {
        // Fills and empties by turns.
        const isFilling = Math.floor(step / 400) % 2 === 0
        const key = keys[random.below(keys.length)]!
        if (random.below(10) < (isFilling ? 7 : 2)) {
          const item = { name: `${step}` }
          map.set(key, item)
          reference.set(key, item)
        } else {
          assert.equal(map.delete(key), reference.get(key))
          reference.delete(key)
        }
        assertSame(map, reference, keys)
      }
    })
  }

  it('takes a burst, and is as good as new after it', () => {
    const map = new NumberMap<Item>()
    for (let round = 0; round < 3; round++) {
      for (let key = 0; key < 5_000; key++) map.set(round * 5_000 + key, { name: `${key}` })
      for (let key = 4_999; key >= 0; key--) assert.equal(map.delete(round * 5_000 + key)?.name, `${key}`)
      assert.equal(map.size, 0)
      assert.equal(map.get(round * 5_000), undefined)
    }
  })

  it('gives its values as they are at the call', () => {
    const map = new NumberMap<Item>()
    for (let key = 1; key <= 40; key++) map.set(key, { name: `${key}` })
    let count = 0
    for (const { name } of map.values()) {
      map.delete(Number(name))
      count++
    }
    assert.equal(count, 40)
    assert.equal(map.size, 0)
    map.set(1, { name: 'again' })
    map.clear()
    assert.equal(map.get(1), undefined)
    assert.deepEqual(map.values(), [])
  })
})
