import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { FloatSum, IntegerSum } from '../../../src/engine/query/sums.ts'
import { check } from '../../encoding/arbitraries.ts'

const SCALE = 400

/** Exact, in units of 2^-400. */
function scaled(value: number): bigint {
  let shift = 0
  let rest = value
  while (!Number.isInteger(rest)) {
    rest *= 2
    shift++
  }
  return BigInt(rest) << BigInt(SCALE - shift)
}

it('a sum of floats is the exact one, rounded once, in any order', () => {
  const float = fc
    .tuple(fc.maxSafeInteger(), fc.integer({ min: -300, max: 200 }))
    .map(([mantissa, exponent]) => mantissa * 2 ** exponent)
  const near = fc.constantFrom(1, -1, 2 ** 53, 2 ** -53, 2 ** -54, -(2 ** -54), 2 ** 54, -(2 ** 53), 2 ** -106, 3)
  check(fc.array(fc.oneof(float, near), { maxLength: 12 }), 3_000, values => {
    const exact = values.reduce((sum, value) => sum + scaled(value), 0n)
    const rounded = Number(exact) * 2 ** -SCALE
    for (const order of [values, values.toReversed()]) {
      const sum = new FloatSum()
      for (const value of order) sum.add(value)
      assert.equal(sum.total(), rounded)
    }
  })
})

it('a sum of large floats is exact, though some of them are together beyond the largest', () => {
  const float = fc
    .tuple(fc.maxSafeInteger(), fc.integer({ min: 850, max: 970 }))
    .map(([mantissa, exponent]) => mantissa * 2 ** exponent)
  const near = fc.constantFrom(
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
    2 ** 1023,
    -(2 ** 1023),
    2 ** 960,
    -(2 ** 959),
    1,
    -1,
  )
  check(fc.array(fc.oneof(float, near), { maxLength: 12 }), 3_000, values => {
    const exact = values.reduce((sum, value) => sum + BigInt(value), 0n)
    const rounded = Number(exact)
    for (const order of [values, values.toReversed(), values.toSorted((a, b) => a - b)]) {
      const sum = new FloatSum()
      for (const value of order) sum.add(value)
      if (Number.isFinite(rounded)) assert.equal(sum.total(), rounded)
      else assert.throws(() => sum.total(), { code: 'overflow' })
    }
  })
})

it('a sum of floats beyond the largest is refused', () => {
  const sum = new FloatSum()
  for (const value of [Number.MAX_VALUE, Number.MAX_VALUE]) sum.add(value)
  assert.throws(() => sum.total(), { code: 'overflow' })
})

it('a sum of integers is exact, whatever their width', () => {
  const integer = fc.oneof(fc.maxSafeInteger(), fc.bigInt(-(2n ** 255n), 2n ** 255n - 1n))
  check(fc.array(integer, { maxLength: 12 }), 1_000, values => {
    const exact = values.reduce<bigint>((total, value) => total + BigInt(value), 0n)
    const sum = new IntegerSum()
    for (const value of values) sum.add(value)
    assert.equal(sum.exact, exact)
    if (exact >= -(2n ** 255n) && exact < 2n ** 256n) assert.equal(sum.total(true), exact)
    else assert.throws(() => sum.total(true), { code: 'overflow' })
  })
})
