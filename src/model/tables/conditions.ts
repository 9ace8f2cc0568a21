import type { ComparisonOperator, Expr, Operand, ScalarExpr, Value } from '../../encoding/index.ts'
import { rawCell, type CellCodec } from './cells.ts'

/** Who asks, as an operand: of read policies, for example. */
export const CALLER: { readonly caller: true } = Object.freeze({ caller: true })

type Comparable<T> = NonNullable<T> | ColumnReference<T> | typeof CALLER

/** A column in a condition or a computed value. Immutable. */
export class ColumnReference<T> {
  readonly name: string
  readonly #codec: CellCodec<unknown>

  constructor(name: string, codec: CellCodec<unknown>) {
    this.name = name
    this.#codec = codec
  }

  eq(value: Comparable<T>): Expr {
    return this.#compare('eq', value)
  }
  ne(value: Comparable<T>): Expr {
    return this.#compare('ne', value)
  }
  lt(value: Comparable<T>): Expr {
    return this.#compare('lt', value)
  }
  lte(value: Comparable<T>): Expr {
    return this.#compare('lte', value)
  }
  gt(value: Comparable<T>): Expr {
    return this.#compare('gt', value)
  }
  gte(value: Comparable<T>): Expr {
    return this.#compare('gte', value)
  }

  in(values: readonly NonNullable<T>[]): Expr {
    return { op: 'in', column: this.name, values: values.map(value => this.#codec.encode(value)) }
  }

  /** Both ends belong to it. */
  between(low: Comparable<T>, high: Comparable<T>): Expr {
    return { op: 'between', column: this.name, low: this.#operand(low), high: this.#operand(high) }
  }

  isNull(): Expr {
    return { op: 'isNull', column: this.name }
  }
  isNotNull(): Expr {
    return { op: 'isNotNull', column: this.name }
  }

  /** `%` is any run of characters, `_` any one, a backslash takes what follows literally. */
  like(this: ColumnReference<Extract<T, string> | null> | ColumnReference<string>, pattern: string): Expr {
    return { op: 'like', column: this.name, pattern }
  }

  plus(other: Scalar): ComputedValue {
    return new ComputedValue({ column: this.name }).plus(other)
  }
  minus(other: Scalar): ComputedValue {
    return new ComputedValue({ column: this.name }).minus(other)
  }
  times(other: Scalar): ComputedValue {
    return new ComputedValue({ column: this.name }).times(other)
  }
  dividedBy(other: Scalar): ComputedValue {
    return new ComputedValue({ column: this.name }).dividedBy(other)
  }

  #compare(op: ComparisonOperator, value: Comparable<T>): Expr {
    return { op, column: this.name, value: this.#operand(value) }
  }

  #operand(value: Comparable<T>): Operand {
    if (value instanceof ColumnReference) return { column: value.name }
    return value === CALLER ? CALLER : this.#codec.encode(value)
  }
}

/** What a computed value is made of. */
export type Scalar = number | bigint | ColumnReference<never> | ColumnReference<unknown> | ComputedValue

/** A value computed from a row; see `ScalarExpr`. Immutable. */
export class ComputedValue {
  readonly expr: ScalarExpr

  constructor(expr: ScalarExpr) {
    this.expr = expr
  }

  plus(other: Scalar): ComputedValue {
    return this.#with('add', other)
  }
  minus(other: Scalar): ComputedValue {
    return this.#with('subtract', other)
  }
  times(other: Scalar): ComputedValue {
    return this.#with('multiply', other)
  }
  dividedBy(other: Scalar): ComputedValue {
    return this.#with('divide', other)
  }

  #with(op: 'add' | 'subtract' | 'multiply' | 'divide', other: Scalar): ComputedValue {
    return new ComputedValue({ op, left: this.expr, right: scalarExpr(other) })
  }
}

export function scalarExpr(value: Scalar): ScalarExpr {
  if (value instanceof ComputedValue) return value.expr
  if (value instanceof ColumnReference) return { column: value.name }
  return { value }
}

/** The columns that a condition may name. */
export type References<Columns> = { readonly [K in keyof Columns & string]: ColumnReference<Columns[K]> }

/** A condition on rows with these columns: as data, or made from references to them. */
export type Condition<Columns> = Expr | ((columns: References<Columns>) => Expr)

/** By column name: how its literals are written. */
export interface CodecLookup {
  readonly names: readonly string[] | undefined
  codec(name: string): CellCodec<unknown>
}

/** References to all columns of `lookup`; any name, where the columns are not known. */
export function referencesTo(lookup: CodecLookup): Readonly<Record<string, ColumnReference<unknown>>> {
  const { names } = lookup
  if (names !== undefined) {
    return Object.fromEntries(names.map(name => [name, new ColumnReference(name, lookup.codec(name))]))
  }
  return new Proxy(
    {},
    { get: (_, name) => (typeof name === 'string' ? new ColumnReference(name, lookup.codec(name)) : undefined) },
  )
}

export function lookupOf(columns: Readonly<Record<string, { readonly codec: CellCodec<unknown> }>>): CodecLookup {
  return {
    names: Object.keys(columns),
    codec: name => (Object.hasOwn(columns, name) ? columns[name]!.codec : rawCell),
  }
}

export const anyColumns: CodecLookup = { names: undefined, codec: () => rawCell }

export function conditionFor<Columns>(condition: Condition<Columns>, lookup: CodecLookup): Expr {
  if (typeof condition !== 'function') return condition
  // The lookup has the columns that the type names.
  return condition(referencesTo(lookup) as References<Columns>)
}

export function resolveCondition<Columns>(
  condition: Condition<Columns>,
  columns: Readonly<Record<string, { readonly codec: CellCodec<unknown> }>>,
): Expr {
  return conditionFor(condition, lookupOf(columns))
}

/** A column of a table that is used by name. */
export function column(name: string): ColumnReference<Value> {
  return new ColumnReference<Value>(name, rawCell)
}

/** True when all are true; of none it is true. */
export function and(...args: readonly Expr[]): Expr {
  return args.length === 1 ? args[0]! : { op: 'and', args }
}

/** True when one is true; of none it is false. */
export function or(...args: readonly Expr[]): Expr {
  return args.length === 1 ? args[0]! : { op: 'or', args }
}

/** Unknown stays unknown. */
export function not(arg: Expr): Expr {
  return { op: 'not', arg }
}
