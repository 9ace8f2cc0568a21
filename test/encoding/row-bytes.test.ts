import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import {
  bytesToHex,
  ByteWriter,
  COLUMN_TYPES,
  compareBytes,
  compareColumnValues,
  encodeOrderedKey,
  encodeRow,
  MISMATCH,
  narrow,
  readCell,
  readKeyValue,
  RowLayout,
  rowLayoutOf,
  skipKeyValue,
  toColumnValue,
  writeKeyValue,
} from '../../src/encoding/index.ts'
import type { ColumnType, KeyPart, Value } from '../../src/encoding/index.ts'
import { check } from './arbitraries.ts'

const signed64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }).map(narrow)
const edge64 = fc.constantFrom(0, 1, -1, 2 ** 53 - 1, -(2 ** 53 - 1), 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n)

function arbitraryCell(type: ColumnType): fc.Arbitrary<Value> {
  switch (type) {
    case 'text':
    case 'json':
      return fc.string({
        unit: fc.oneof(fc.constantFrom('\0', 'a', 'ä', '\u{1f600}', '\uffff'), fc.string({ maxLength: 1 })),
      })
    case 'blob':
      return fc.uint8Array({ maxLength: 20 })
    case 'boolean':
      return fc.boolean()
    case 'float':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => (value === 0 ? 0 : value))
    case 'u8':
      return fc.integer({ min: 0, max: 255 })
    case 'integer':
    case 'timestamp':
      return fc.oneof(signed64, edge64)
    case 'u64':
      return fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(narrow)
    case 'u256':
      return fc.bigInt({ min: 0n, max: (1n << 256n) - 1n })
    case 'i256':
      return fc.bigInt({ min: -(1n << 255n), max: (1n << 255n) - 1n })
    default:
      throw new RangeError(type satisfies never)
  }
}

const nullable = (type: ColumnType): fc.Arbitrary<Value> => fc.option(arbitraryCell(type), { nil: null })
const anyType = fc.constantFrom(...COLUMN_TYPES)

function keyOf(types: readonly ColumnType[], cells: readonly Value[]): Uint8Array {
  const writer = new ByteWriter()
  cells.forEach((cell, i) => writeKeyValue(writer, types[i]!, cell))
  return writer.finish()
}

function partOf(type: ColumnType, cell: Value): KeyPart {
  if (cell === null) return { type: 'null' }
  const isInteger = type === 'integer' || type === 'timestamp' || type === 'u64' || type === 'u256' || type === 'i256'
  return { type, value: isInteger ? BigInt(cell as number) : cell } as KeyPart
}

it('cells as key parts have the bytes of ordered keys and come back', () => {
  check(
    fc.array(
      anyType.chain(type => fc.tuple(fc.constant(type), nullable(type))),
      { maxLength: 5 },
    ),
    500,
    parts => {
      const types = parts.map(([type]) => type)
      const cells = parts.map(([, cell]) => cell)
      const key = keyOf(types, cells)
      assert.deepEqual(key, encodeOrderedKey(parts.map(([type, cell]) => partOf(type, cell))))
      let at = 0
      for (const cell of cells) {
        assert.deepEqual(readKeyValue(key, at), cell)
        at = skipKeyValue(key, at)
      }
      assert.equal(at, key.length)
    },
  )
})

it('values of a column compare as their keys do', () => {
  const pair = anyType.chain(type => fc.tuple(fc.constant(type), nullable(type), nullable(type)))
  check(pair, 500, ([type, a, b]) => {
    const byKey = Math.sign(compareBytes(keyOf([type], [a]), keyOf([type], [b])))
    assert.equal(Math.sign(compareColumnValues(a, b)), byKey)
  })
})

it('each cell of a row is read without the others', () => {
  const row = fc.array(
    anyType.chain(type => fc.tuple(fc.constant(type), nullable(type))),
    { maxLength: 20 },
  )
  check(fc.tuple(row, fc.nat({ max: 0xffff }), fc.nat({ max: 7 })), 500, ([columns, version, offset]) => {
    const layout = new RowLayout(
      version,
      columns.map(([type]) => type),
    )
    const bytes = encodeRow(
      layout,
      columns.map(([, cell]) => cell),
    )
    const shifted = new Uint8Array(offset + bytes.length + 3).fill(0xee)
    shifted.set(bytes, offset)
    assert.equal(rowLayoutOf(shifted, offset), version)
    columns.forEach(([, cell], slot) => assert.deepEqual(readCell(layout, slot, shifted, offset), cell))
  })
})

it('long variable cells make the ends wide', () => {
  const layout = new RowLayout(1, ['text', 'blob', 'u8'])
  const cells = ['x'.repeat(40_000), new Uint8Array(40_000).fill(7), 9]
  const bytes = encodeRow(layout, cells)
  assert.equal(bytes[0], 2)
  cells.forEach((cell, slot) => assert.deepEqual(readCell(layout, slot, bytes, 0), cell))
})

it('golden bytes of a row', () => {
  const layout = new RowLayout(0x0102, ['text', 'u8', 'integer', 'blob', 'boolean', 'text'])
  const bytes = encodeRow(layout, ['hé', 5, -2, Uint8Array.of(1, 2), true, null])
  assert.equal(bytesToHex(bytes), '0102012005feffffffffffffff0103000500050068c3a90102')
})

it('columns take only what they can hold', () => {
  const taken: [ColumnType, Value, Value][] = [
    ['u8', 255n, 255],
    ['integer', '-9223372036854775808', -(1n << 63n)],
    ['u64', 2n ** 64n - 1n, 2n ** 64n - 1n],
    ['u256', 7, 7n],
    ['float', -0, 0],
    ['text', '', ''],
    ['integer', null, null],
  ]
  for (const [type, value, expected] of taken) assert.ok(Object.is(toColumnValue(type, value), expected), type)
  const refused: [ColumnType, Value][] = [
    ['u8', 256],
    ['u8', -1],
    ['integer', 1.5],
    ['integer', 2n ** 63n],
    ['integer', '01'],
    ['u64', -1],
    ['u256', 1n << 256n],
    ['float', Number.NaN],
    ['float', Number.POSITIVE_INFINITY],
    ['float', 1n],
    ['text', 1],
    ['text', '\ud800'],
    ['boolean', 1],
    ['blob', 'x'],
  ]
  for (const [type, value] of refused) assert.equal(toColumnValue(type, value), MISMATCH, `${type} ${String(value)}`)
})
