import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compareBytes } from '../../src/encoding/index.ts'
import { Changes } from '../../src/engine/changes.ts'
import { KeyOrder } from '../../src/engine/key-order.ts'
import { KeyTable } from '../../src/engine/key-table.ts'
import { NO_RECORDS, PrivateStore } from '../../src/engine/private-store.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('keys in order', () => {
  it('are found by ranges, however many there are', () => {
    const random = new SeededRandom(seed)
    const order = new KeyOrder()
    const keys: Uint8Array[] = []
    const known = new Set<string>()
    for (let i = 0; i < 3_000; i++) {
      const key = random.bytes(1 + (random.u32() % 3))
      if (!known.has(hex(key))) {
        known.add(hex(key))
        keys.push(key)
        order.add(key)
      }
      if (i % 50 !== 0) continue
      const start = random.bytes(2)
      const end = random.u32() % 4 === 0 ? undefined : random.bytes(1)
      const expected = keys
        .filter(own => compareBytes(own, start) >= 0 && (end === undefined || compareBytes(own, end) < 0))
        .sort(compareBytes)
      assert.deepEqual(order.range(start, end).map(hex), expected.map(hex), `seed ${seed}, ${i} keys`)
    }
  })
})

describe('a table of keys', () => {
  it('finds each key by its bytes, and none that it was to forget', () => {
    const random = new SeededRandom(seed + 2)
    const table = new KeyTable()
    for (const count of [5_000, 20, 300, 5_000]) {
      table.clear()
      const known = new Map<string, number>()
      for (let i = 0; i < count; i++) {
        const key = random.bytes(1 + (random.u32() % 3))
        assert.equal(table.find(key), known.get(hex(key)) ?? -1, `seed ${seed}`)
        if (known.has(hex(key))) continue
        known.set(hex(key), i)
        table.add(key, i)
      }
      for (const [key, number] of known) assert.equal(table.find(Uint8Array.from(Buffer.from(key, 'hex'))), number)
    }
  })
})

describe('a walk within an entry', () => {
  it('sees what the entry has changed so far, either way, until it is told to stop', () => {
    const random = new SeededRandom(seed + 1)
    const key = (): Uint8Array => Uint8Array.of(random.u32() % 12, random.u32() % 3)
    for (let round = 0; round < 400; round++) {
      const store = new PrivateStore(NO_RECORDS)
      const changes = new Changes(store)
      const model = new Map<string, string>()
      for (let i = random.u32() % 20; i > 0; i--) {
        const [at, value] = [key(), random.bytes(1)]
        store.put(at, value, 0, 1, 1, 1, 0)
        model.set(hex(at), `${hex(value)} 1`)
      }
      changes.begin(7)
      for (let i = random.u32() % 16; i > 0; i--) {
        const at = key()
        if (random.u32() % 3 === 0) {
          changes.delete(at)
          model.delete(hex(at))
        } else {
          const value = random.bytes(1)
          changes.put(at, value)
          model.set(hex(at), `${hex(value)} 7`)
        }
        const [start, end] = [key(), random.u32() % 4 === 0 ? undefined : key()]
        const reverse = random.u32() % 2 === 0
        const most = 1 + (random.u32() % 9)
        const found: string[] = []
        if (end === undefined || compareBytes(start, end) < 0) {
          changes.walk(start, end, reverse, (own, { versionSeq }, value) => {
            found.push(`${hex(own)} ${hex(value())} ${versionSeq}`)
            return found.length < most
          })
        }
        const expected = [...model]
          .filter(([own]) => own >= hex(start) && (end === undefined || own < hex(end)))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([own, value]) => `${own} ${value}`)
        if (reverse) expected.reverse()
        assert.deepEqual(found, expected.slice(0, most), `seed ${seed}, round ${round}`)
      }
    }
  })
})
