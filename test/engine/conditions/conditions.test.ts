import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { ColumnType, Expr, ScalarExpr, Value } from '../../../src/encoding/index.ts'
import {
  CellList,
  compileCondition,
  compileScalar,
  conditionColumns,
  CONDITION_TERMS_MAX,
  InvalidExpression,
  LikePattern,
  renameColumn,
  usesCaller,
} from '../../../src/engine/conditions/index.ts'
import { check } from '../../encoding/arbitraries.ts'
import { judge } from './condition-oracle.ts'

const TYPES: Readonly<Record<string, ColumnType>> = {
  u8: 'u8',
  u64: 'u64',
  int: 'integer',
  float: 'float',
  big: 'u256',
  signed: 'i256',
  time: 'timestamp',
  text: 'text',
  json: 'json',
  flag: 'boolean',
  blob: 'blob',
}
const COLUMNS = Object.keys(TYPES)
const NAMES = {
  columns: COLUMNS.map(name => ({ type: TYPES[name]! })),
  position: (name: string): number | undefined => (COLUMNS.includes(name) ? COLUMNS.indexOf(name) : undefined),
}
const NUMBERS = ['u8', 'u64', 'int', 'float', 'big', 'signed', 'time']
const TEXTS = ['text', 'json']

const number = fc.constantFrom<Value>(
  -1,
  0,
  1,
  2,
  2.5,
  255,
  2 ** 53,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 64n,
  -(2n ** 200n),
  1e300,
)
const text = fc.string({ unit: fc.constantFrom('a', 'b', '%', '_', '\\', '\u{1f600}', '\uffff', '\0'), maxLength: 6 })
const blob = fc.uint8Array({ maxLength: 2, max: 2 })
const nullable = (values: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
  fc.oneof({ weight: 1, arbitrary: fc.constant(null) }, { weight: 4, arbitrary: values })

function cellOf(name: string): fc.Arbitrary<Value> {
  if (TEXTS.includes(name)) return nullable(text)
  if (name === 'flag') return nullable(fc.boolean())
  return nullable(name === 'blob' ? blob : number)
}

function operandOf(name: string): fc.Arbitrary<Value | { column: string } | { caller: true }> {
  const peers = NUMBERS.includes(name) ? NUMBERS : TEXTS.includes(name) ? TEXTS : [name]
  const column = fc.constantFrom(...peers).map(other => ({ column: other }))
  return TEXTS.includes(name)
    ? fc.oneof(cellOf(name), column, fc.constant({ caller: true as const }))
    : fc.oneof(cellOf(name), column)
}

const pattern = text.filter(value => !(LikePattern.parse(value) instanceof InvalidExpression))

const comparison: fc.Arbitrary<Expr> = fc.constantFrom(...COLUMNS).chain(column => {
  const operand = operandOf(column)
  const choices: fc.Arbitrary<Expr>[] = [
    fc.record({
      op: fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte'),
      column: fc.constant(column),
      value: operand,
    }),
    fc.record({ op: fc.constant('in'), column: fc.constant(column), values: fc.array(operand, { maxLength: 5 }) }),
    fc.record({ op: fc.constant('between'), column: fc.constant(column), low: operand, high: operand }),
    fc.record({ op: fc.constantFrom('isNull', 'isNotNull'), column: fc.constant(column) }),
  ]
  if (TEXTS.includes(column)) choices.push(fc.record({ op: fc.constant('like'), column: fc.constant(column), pattern }))
  return fc.oneof(...choices)
})

const { condition } = fc.letrec<{ condition: Expr }>(tie => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    comparison,
    fc.record({ op: fc.constantFrom('and', 'or'), args: fc.array(tie('condition'), { maxLength: 3 }) }),
    fc.record({ op: fc.constant('not' as const), arg: tie('condition') }),
  ),
}))

const row = fc.record(Object.fromEntries(COLUMNS.map(name => [name, cellOf(name)])))

function evaluate(expr: Expr, cells: Readonly<Record<string, Value>>, caller: string): boolean | null {
  const compiled = compileCondition(expr, NAMES, caller)
  assert.ok(!(compiled instanceof InvalidExpression), compiled instanceof InvalidExpression ? compiled.message : '')
  return compiled(new CellList(COLUMNS.map(name => cells[name] ?? null)))
}

function codeOf(expr: Expr): string | undefined {
  const compiled = compileCondition(expr, NAMES, '')
  return compiled instanceof InvalidExpression ? compiled.code : undefined
}

describe('conditions', () => {
  it('judge any row as the definition does, with unknowns and numbers of all kinds', () => {
    check(fc.tuple(condition, row, text), 1_000, ([expr, cells, caller]) => {
      assert.equal(evaluate(expr, cells, caller), judge(expr, cells, caller))
    })
  })

  it('read the columns that they say they read, and the caller only if they say so', () => {
    check(fc.tuple(condition, row, row), 1_000, ([expr, cells, others]) => {
      const read = conditionColumns(expr)
      const changed = Object.fromEntries(COLUMNS.map(name => [name, (read.has(name) ? cells : others)[name]!]))
      assert.equal(evaluate(expr, changed, 'a'), evaluate(expr, cells, 'a'))
      if (!usesCaller(expr)) assert.equal(evaluate(expr, cells, 'b'), evaluate(expr, cells, 'a'))
    })
  })

  it('mean the same after a column was renamed', () => {
    const names = {
      columns: NAMES.columns,
      position: (name: string): number | undefined =>
        name === 'int' ? undefined : NAMES.position(name === 'renamed' ? 'int' : name),
    }
    check(fc.tuple(condition, row), 1_000, ([expr, cells]) => {
      const compiled = compileCondition(renameColumn(expr, 'int', 'renamed'), names, 'a')
      assert.ok(!(compiled instanceof InvalidExpression))
      assert.equal(compiled(new CellList(COLUMNS.map(name => cells[name]!))), evaluate(expr, cells, 'a'))
    })
  })

  it('take integers as digits, their JSON form', () => {
    const expr: Expr = { op: 'eq', column: 'big', value: String(2n ** 200n) }
    assert.equal(evaluate(expr, { big: 2n ** 200n }, ''), true)
    assert.equal(codeOf({ op: 'eq', column: 'big', value: '12x' }), 'type_mismatch')
  })

  it('are refused for unknown columns and values of another class', () => {
    assert.equal(codeOf({ op: 'eq', column: 'none', value: 1 }), 'column_not_found')
    assert.equal(codeOf({ op: 'eq', column: 'int', value: { column: 'none' } }), 'column_not_found')
    assert.equal(codeOf({ op: 'eq', column: 'int', value: 'x' }), 'type_mismatch')
    assert.equal(codeOf({ op: 'eq', column: 'int', value: Number.NaN }), 'type_mismatch')
    assert.equal(codeOf({ op: 'in', column: 'text', values: ['x', 1] }), 'type_mismatch')
    assert.equal(codeOf({ op: 'between', column: 'int', low: 1, high: true }), 'type_mismatch')
    assert.equal(codeOf({ op: 'lt', column: 'text', value: { column: 'int' } }), 'type_mismatch')
    assert.equal(codeOf({ op: 'eq', column: 'int', value: { caller: true } }), 'type_mismatch')
    assert.equal(codeOf({ op: 'like', column: 'int', pattern: '1%' }), 'type_mismatch')
  })

  it('are refused beyond each limit, and taken at it', () => {
    const deep = (depth: number): Expr => {
      let expr: Expr = { op: 'isNull', column: 'int' }
      for (let i = 1; i < depth; i++) expr = { op: 'not', arg: expr }
      return expr
    }
    const list = (length: number): Expr => ({ op: 'in', column: 'int', values: Array.from({ length }, (_, i) => i) })
    const like = (length: number): Expr => ({ op: 'like', column: 'text', pattern: '\u00e4'.repeat(length / 2) })
    const wide = (terms: number): Expr => ({ op: 'or', args: Array.from({ length: terms - 1 }, () => deep(1)) })
    const limits: readonly [(size: number) => Expr, number][] = [
      [deep, 32],
      [list, 10_000],
      [like, 256],
      [wide, CONDITION_TERMS_MAX],
    ]
    for (const [make, limit] of limits) {
      assert.equal(codeOf(make(limit)), undefined)
      assert.equal(codeOf(make(limit + 2)), 'invalid_query')
    }
    assert.equal(codeOf({ op: 'like', column: 'text', pattern: 'a\\' }), 'invalid_query')
  })
})

describe('LIKE', () => {
  it('finds long runs with wildcards across the words of its automaton', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '_'), minLength: 9, maxLength: 80 })
    const others = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 200 })
    check(fc.tuple(letters, others), 1_000, ([middle, noise]) => {
      const hit = noise + middle.replaceAll('_', '\u{1f600}') + noise
      for (const value of [hit, noise]) {
        const expr: Expr = { op: 'like', column: 'text', pattern: `%${middle}%` }
        assert.equal(evaluate(expr, { text: value }, ''), judge(expr, { text: value }, ''))
      }
    })
  })

  it('tells the prefix that an index can use', () => {
    const parse = (pattern: string): LikePattern => {
      const parsed = LikePattern.parse(pattern)
      assert.ok(parsed instanceof LikePattern)
      return parsed
    }
    const facts = (pattern: string): unknown[] => {
      const { prefix, isPrefixOnly, exact } = parse(pattern)
      return [prefix, isPrefixOnly, exact]
    }
    assert.deepEqual(facts('ab%'), ['ab', true, undefined])
    assert.deepEqual(facts('a\\%%'), ['a%', true, undefined])
    assert.deepEqual(facts('a_b%'), ['a', false, undefined])
    assert.deepEqual(facts('ab%c'), ['ab', false, undefined])
    assert.deepEqual(facts('a\\_b'), ['a_b', false, 'a_b'])
    assert.deepEqual(facts('%'), ['', true, undefined])
  })
})

describe('computed values', () => {
  const compute = (expr: ScalarExpr, cells: Readonly<Record<string, Value>>): Value => {
    const compiled = compileScalar(expr, NAMES)
    assert.ok(!(compiled instanceof InvalidExpression))
    return compiled.scalar(new CellList(COLUMNS.map(name => cells[name] ?? null)))
  }
  const binary = (op: 'add' | 'subtract' | 'multiply' | 'divide', left: string, right: string): ScalarExpr => ({
    op,
    left: { column: left },
    right: { column: right },
  })

  it('are exact on integers and Null beyond 64 bits', () => {
    const integer: fc.Arbitrary<bigint> = fc.oneof(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.bigInt(-9n, 9n))
    check(fc.tuple(integer, integer), 1_000, ([a, b]) => {
      const cells = { int: narrow(a), time: narrow(b) }
      const exact = { add: a + b, subtract: a - b, multiply: a * b }
      for (const op of ['add', 'subtract', 'multiply'] as const) {
        const fits = exact[op] >= -(2n ** 63n) && exact[op] < 2n ** 64n
        assert.equal(compute(binary(op, 'int', 'time'), cells), fits ? narrow(exact[op]) : null)
      }
      const quotient = b === 0n ? null : a % b === 0n ? narrow(a / b) : Number(a) / Number(b)
      assert.equal(compute(binary('divide', 'int', 'time'), cells), quotient)
    })
  })

  it('have 256 bits where an operand may have them', () => {
    assert.equal(compute(binary('multiply', 'big', 'int'), { big: 2n ** 200n, int: 4 }), 2n ** 202n)
    assert.equal(compute(binary('multiply', 'big', 'int'), { big: 2n ** 255n, int: 2 }), null)
  })

  it('are floats where an operand is one, however large', () => {
    assert.equal(compute(binary('add', 'float', 'int'), { float: 1e300, int: 1 }), 1e300)
    assert.equal(compute(binary('multiply', 'float', 'float'), { float: 1e300 }), null)
    assert.equal(compute(binary('divide', 'float', 'int'), { float: 1, int: 0 }), null)
  })

  it('are Null where a cell is, and refused for what is no number', () => {
    assert.equal(compute(binary('add', 'int', 'u8'), { int: 1 }), null)
    const refused = compileScalar(binary('add', 'int', 'text'), NAMES)
    assert.ok(refused instanceof InvalidExpression && refused.code === 'type_mismatch')
    const missing = compileScalar({ column: 'none' }, NAMES)
    assert.ok(missing instanceof InvalidExpression && missing.code === 'column_not_found')
  })
})

function narrow(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}
