import * as fc from 'fast-check'
import type {
  Assertion,
  CheckDefinition,
  ColumnDefinition,
  Expr,
  ForeignKeyDefinition,
  IndexDefinition,
  Mutation,
  OnConflict,
  Permission,
  PointRead,
  RangeRead,
  Row,
  ScalarExpr,
  TableAlteration,
  TableDdl,
  TableDefinitionData,
  UpdateExpr,
  Updates,
  Value,
} from '../../src/encoding/index.ts'
import { COLUMN_TYPES } from '../../src/encoding/index.ts'

/** Data of tables in the very form that decoding gives: options that are not given are absent. */

const SOME = { noNullPrototype: true } as const

type Fields = Readonly<Record<string, fc.Arbitrary<unknown>>>

/** Records as decoders make them; the fields of `optional` come or not. */
export function some<T>(required: Fields, optional: Fields = {}): fc.Arbitrary<T> {
  const model = { ...required, ...optional }
  return fc.record(model, { ...SOME, requiredKeys: Object.keys(required) }) as fc.Arbitrary<T>
}

const just = fc.constant
const blob = fc.uint8Array({ maxLength: 12 }).map(bytes => Uint8Array.from(bytes))
export const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/).filter(text => text !== '__proto__')
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('é'.repeat(200), 'x'.repeat(256), ''),
)
const isTrue = just(true)
const seq = fc.maxSafeNat()
const comparison = fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte')

/** Integers around every limit at which the encoding changes. */
const edges = [7n, 31n, 32n, 53n, 63n, 64n, 127n, 255n].flatMap(bits => [(1n << bits) - 1n, 1n << bits])
const integers = fc
  .oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }))
  .chain(integer => fc.constantFrom(integer, integer <= 1n << 255n ? -integer : integer))

export const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom<Value>(null, true, false, 0, -1, 2 ** 31, -(2 ** 31) - 1),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(number => (number === 0 ? 0 : number)),
  integers,
  text,
  blob,
)
const operand = fc.oneof({ weight: 4, arbitrary: value }, some({ column: name }), just({ caller: true as const }))

export const expr: fc.Arbitrary<Expr> = fc.letrec<{ expr: Expr }>(tie => ({
  expr: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    some<Expr>({ op: comparison, column: name, value: operand }),
    some<Expr>({ op: just('in'), column: name, values: fc.array(operand, { maxLength: 4 }) }),
    some<Expr>({ op: just('between'), column: name, low: operand, high: operand }),
    some<Expr>({ op: fc.constantFrom('isNull', 'isNotNull'), column: just('alias.column') }),
    some<Expr>({ op: just('like'), column: name, pattern: fc.string({ maxLength: 20 }) }),
    some<Expr>({ op: fc.constantFrom('and', 'or'), args: fc.array(tie('expr'), { maxLength: 3 }) }),
    some<Expr>({ op: just('not'), arg: tie('expr') }),
  ),
})).expr

export const scalar: fc.Arbitrary<ScalarExpr> = fc.letrec<{ scalar: ScalarExpr }>(tie => ({
  scalar: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    some<ScalarExpr>({ column: name }),
    some<ScalarExpr>({ value }),
    some<ScalarExpr>({
      op: fc.constantFrom('add', 'subtract', 'multiply', 'divide'),
      left: tie('scalar'),
      right: tie('scalar'),
    }),
  ),
})).scalar

const target = { project: name, scope: name, table: name }
export const row: fc.Arbitrary<Row> = fc.dictionary(name, value, { ...SOME, maxKeys: 4 })

/** Many with the columns of the first, some cells absent; at most one row without columns. */
const rows: fc.Arbitrary<Row[]> = fc.array(row, { maxLength: 5 }).map(list => {
  return list.some(item => Object.keys(item).length > 0) ? list : list.slice(0, 1)
})

const amount = fc.oneof(fc.maxSafeInteger(), integers)
const update: fc.Arbitrary<UpdateExpr> = fc.oneof(
  some<UpdateExpr>({ set: value }),
  some<UpdateExpr>({ copy: name }),
  some<UpdateExpr>({ add: amount }),
  some<UpdateExpr>({ subtract: amount }),
  some<UpdateExpr>({ coalesce: value }),
  some<UpdateExpr>({ proposed: name }),
  some<UpdateExpr>({ addProposed: name }),
)
const updates: fc.Arbitrary<Updates> = fc.dictionary(name, update, { ...SOME, maxKeys: 3 })
const names = fc.array(name, { maxLength: 3 })

const onConflict = some<OnConflict>(
  { action: fc.oneof(fc.constantFrom('nothing', 'merge'), some({ update: updates })) },
  { target: fc.oneof(some({ index: name }), some({ columns: names })) },
)

export const tableMutation: fc.Arbitrary<Mutation> = fc.oneof(
  some<Mutation>({ type: just('insert'), ...target, rows }, { ttlMs: seq, onConflict }),
  some<Mutation>({ type: just('upsert'), ...target, rows }, { ttlMs: seq }),
  some<Mutation>({ type: just('update'), ...target, key: row, set: updates }),
  some<Mutation>({ type: just('delete'), ...target, key: row }),
  some<Mutation>(
    { type: just('updateWhere'), ...target, set: updates },
    { where: expr, limit: fc.nat({ max: 0xffffffff }) },
  ),
  some<Mutation>({ type: just('deleteWhere'), ...target }, { where: expr, limit: fc.nat({ max: 0xffffffff }) }),
)

export const tableAssertion: fc.Arbitrary<Assertion> = fc.oneof(
  some<Assertion>({ type: just('rowVersion'), ...target, key: row, seq }),
  some<Assertion>({ type: just('rowExists'), ...target, key: row, expected: fc.boolean() }),
  some<Assertion>({ type: just('rowCompare'), ...target, key: row, column: name, op: comparison, value }),
  some<Assertion>({ type: just('count'), ...target, op: comparison, value: seq }, { where: expr }),
  some<Assertion>({ type: just('sum'), ...target, column: name, op: comparison, value }, { where: expr }),
)

/** `assertion`, and groups of it. */
export function grouped(assertion: fc.Arbitrary<Assertion>): fc.Arbitrary<Assertion> {
  return fc.letrec<{ node: Assertion }>(tie => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      assertion,
      some<Assertion>({
        type: fc.constantFrom('all', 'any'),
        assertions: fc.array(tie('node'), { maxLength: 3 }),
      }),
      some<Assertion>({ type: just('not'), assertion: tie('node') }),
    ),
  })).node
}

const column = some<ColumnDefinition>(
  { name, type: fc.constantFrom(...COLUMN_TYPES) },
  { nullable: isTrue, default: value, defaultNow: isTrue },
)
const index = some<IndexDefinition>(
  { name, columns: names },
  { kind: fc.constantFrom('ordered', 'hash'), unique: isTrue, where: expr },
)
const checkDefinition = some<CheckDefinition>({ name, check: expr })
const action = fc.constantFrom('restrict', 'cascade', 'setNull', 'setDefault', 'noAction')
const foreignKey = some<ForeignKeyDefinition>(
  { name, columns: names, table: name },
  { project: name, scope: name, references: names, onDelete: action, onUpdate: action },
)

export const definition: fc.Arbitrary<TableDefinitionData> = some<TableDefinitionData>(
  { columns: fc.array(column, { maxLength: 3 }), primaryKey: names },
  {
    indexes: fc.array(index, { maxLength: 2 }),
    checks: fc.array(checkDefinition, { maxLength: 2 }),
    foreignKeys: fc.array(foreignKey, { maxLength: 2 }),
  },
)

const alteration: fc.Arbitrary<TableAlteration> = fc.oneof(
  some<TableAlteration>({ type: just('addColumn'), column }),
  some<TableAlteration>({ type: just('dropColumn'), column: name }),
  some<TableAlteration>({ type: just('renameColumn'), column: name, to: name }),
  some<TableAlteration>({ type: just('setNullable'), column: name, nullable: fc.boolean() }),
  some<TableAlteration>({ type: just('setDefault'), column: name }, { default: value, defaultNow: isTrue }),
  some<TableAlteration>({ type: just('addCheck'), check: checkDefinition }),
  some<TableAlteration>({ type: fc.constantFrom('dropCheck', 'dropForeignKey'), name }),
  some<TableAlteration>({ type: just('addForeignKey'), foreignKey }),
)

export const tableDdl: fc.Arbitrary<TableDdl> = fc.oneof(
  fc
    .tuple(
      some<Extract<TableDdl, { type: 'createTable' }>>(
        { type: just('createTable'), ...target },
        { ifNotExists: isTrue, owner: name },
      ),
      definition,
    )
    .map(([operation, definition]) => ({ ...operation, ...definition })),
  some<TableDdl>({ type: just('renameTable'), ...target, to: name }),
  some<TableDdl>({ type: just('dropTable'), ...target }, { ifExists: isTrue }),
  some<TableDdl>({ type: just('alterTable'), ...target, alteration }),
  some<TableDdl>({ type: just('createIndex'), ...target, index }, { ifNotExists: isTrue }),
  some<TableDdl>({ type: just('dropIndex'), ...target, name }, { ifExists: isTrue }),
  some<TableDdl>({ type: just('setReadPolicy'), ...target, policy: expr }),
  some<TableDdl>({ type: just('clearReadPolicy'), ...target }),
)

export const tablePermission: fc.Arbitrary<Permission> = fc.oneof(
  some<Permission>({ type: just('projectAdmin'), project: name }),
  some<Permission>({ type: just('scopeAdmin'), project: name, scope: name }),
  some<Permission>({ type: fc.constantFrom('tableRead', 'tableWrite', 'policyBypass', 'tableDdl') }),
  some<Permission>({ type: fc.constantFrom('tableRead', 'tableWrite', 'policyBypass', 'tableDdl'), project: name }),
  some<Permission>({ type: just('tableDdl'), project: name, scope: name }),
  some<Permission>({ type: fc.constantFrom('tableRead', 'tableWrite', 'policyBypass'), ...target }),
)

export const rowPoint = some<PointRead>({ ...target, key: blob, seq })
export const rowRange = some<RangeRead>(
  {
    ...target,
    reverse: fc.boolean(),
    limit: fc.nat({ max: 0xffffffff }),
    digest: fc.stringMatching(/^[0-9a-f]{16}$/),
  },
  { index: name, start: blob, end: blob },
)
