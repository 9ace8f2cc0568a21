import { z } from 'zod'
import { COLUMN_TYPES } from '../../encoding/index.ts'
import { AGGREGATE_FUNCTIONS, JOIN_TYPES, QUERY_PATHS, QUERY_STAGES } from '../../model/index.ts'

/** Tables, rows and queries as schemas: what `/v1/openapi.json` says of them. `queryFromJson` and `transactionFromJson` check them. */

const COMPARISONS = z.enum(['eq', 'ne', 'lt', 'lte', 'gt', 'gte'])
const bytes = z.strictObject({ $b: z.base64() }).describe('Bytes in base64')
const integer = z.number().int().nonnegative()
const amount = z.union([z.number().int(), z.string().regex(/^-?\d{1,78}$/)])

const value: z.ZodType = z
  .union([z.null(), z.boolean(), z.number(), z.string(), bytes])
  .describe('A cell; integers beyond 2^53 are texts of digits')
const operand = z.union([value, z.strictObject({ column: z.string() }), z.strictObject({ caller: z.literal(true) })])

/** Nested conditions are described as objects: the reader that checks them bounds their depth. */
const nested = z.record(z.string(), z.unknown()).describe('A condition of the same form')
export const condition: z.ZodType = z.union([
  z.strictObject({ op: COMPARISONS, column: z.string(), value: operand }),
  z.strictObject({ op: z.literal('in'), column: z.string(), values: z.array(operand) }),
  z.strictObject({ op: z.literal('between'), column: z.string(), low: operand, high: operand }),
  z.strictObject({ op: z.enum(['isNull', 'isNotNull']), column: z.string() }),
  z.strictObject({ op: z.literal('like'), column: z.string(), pattern: z.string() }),
  z.strictObject({ op: z.enum(['and', 'or']), args: z.array(nested) }),
  z.strictObject({ op: z.literal('not'), arg: nested }),
])

const row = z.record(z.string(), value).describe('Cells by column name')
const target = { project: z.string(), scope: z.string().default('app'), table: z.string() }

const update = z.union([
  z.strictObject({ set: value }),
  z.strictObject({ copy: z.string() }),
  z.strictObject({ add: amount }),
  z.strictObject({ subtract: amount }),
  z.strictObject({ coalesce: value }),
  z.strictObject({ proposed: z.string() }),
  z.strictObject({ addProposed: z.string() }),
])
const updates = z.record(z.string(), update)
const conflictTarget = z.union([
  z.strictObject({ index: z.string() }),
  z.strictObject({ columns: z.array(z.string()) }),
])
const onConflict = z.strictObject({
  target: conflictTarget.optional(),
  action: z.union([z.enum(['nothing', 'merge']), z.strictObject({ update: updates })]),
})
const many = { where: condition.optional(), limit: integer.optional() }

export const tableMutation: z.ZodType = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('insert'),
    ...target,
    rows: z.array(row),
    ttlMs: integer.optional(),
    onConflict: onConflict.optional(),
  }),
  z.strictObject({ type: z.literal('upsert'), ...target, rows: z.array(row), ttlMs: integer.optional() }),
  z.strictObject({ type: z.literal('update'), ...target, key: row, set: updates }),
  z.strictObject({ type: z.literal('delete'), ...target, key: row }),
  z.strictObject({ type: z.literal('updateWhere'), ...target, ...many, set: updates }),
  z.strictObject({ type: z.literal('deleteWhere'), ...target, ...many }),
])

const where = condition.optional()
export const tableAssertion: z.ZodType = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('rowVersion'), ...target, key: row, seq: integer }),
  z.strictObject({ type: z.literal('rowExists'), ...target, key: row, expected: z.boolean() }),
  z.strictObject({ type: z.literal('rowCompare'), ...target, key: row, column: z.string(), op: COMPARISONS, value }),
  z.strictObject({ type: z.literal('count'), ...target, where, op: COMPARISONS, value: integer }),
  z.strictObject({ type: z.literal('sum'), ...target, column: z.string(), where, op: COMPARISONS, value }),
])

const column = z.strictObject({
  name: z.string(),
  type: z.enum(COLUMN_TYPES),
  nullable: z.boolean().optional(),
  default: value.optional(),
  defaultNow: z.boolean().optional(),
})
const index = z.strictObject({
  name: z.string(),
  columns: z.array(z.string()),
  kind: z.enum(['ordered', 'hash']).optional(),
  unique: z.boolean().optional(),
  where,
})
const check = z.strictObject({ name: z.string(), check: condition })
const action = z.enum(['restrict', 'cascade', 'setNull', 'setDefault', 'noAction']).optional()
const foreignKey = z.strictObject({
  name: z.string(),
  columns: z.array(z.string()),
  project: z.string().optional(),
  scope: z.string().optional(),
  table: z.string(),
  references: z.array(z.string()).optional(),
  onDelete: action,
  onUpdate: action,
})
const definition = {
  columns: z.array(column),
  primaryKey: z.array(z.string()),
  indexes: z.array(index).optional(),
  checks: z.array(check).optional(),
  foreignKeys: z.array(foreignKey).optional(),
}
const alteration = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('addColumn'), column }),
  z.strictObject({ type: z.literal('dropColumn'), column: z.string() }),
  z.strictObject({ type: z.literal('renameColumn'), column: z.string(), to: z.string() }),
  z.strictObject({ type: z.literal('setNullable'), column: z.string(), nullable: z.boolean() }),
  z.strictObject({
    type: z.literal('setDefault'),
    column: z.string(),
    default: value.optional(),
    defaultNow: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal('addCheck'), check }),
  z.strictObject({ type: z.literal('dropCheck'), name: z.string() }),
  z.strictObject({ type: z.literal('addForeignKey'), foreignKey }),
  z.strictObject({ type: z.literal('dropForeignKey'), name: z.string() }),
])

export const tableDdl: z.ZodType = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('createTable'),
    ...target,
    ifNotExists: z.boolean().optional(),
    owner: z.string().optional(),
    ...definition,
  }),
  z.strictObject({ type: z.literal('renameTable'), ...target, to: z.string() }),
  z.strictObject({ type: z.literal('dropTable'), ...target, ifExists: z.boolean().optional() }),
  z.strictObject({ type: z.literal('alterTable'), ...target, alteration }),
  z.strictObject({ type: z.literal('createIndex'), ...target, ifNotExists: z.boolean().optional(), index }),
  z.strictObject({ type: z.literal('dropIndex'), ...target, ifExists: z.boolean().optional(), name: z.string() }),
  z.strictObject({ type: z.literal('setReadPolicy'), ...target, policy: condition }),
  z.strictObject({ type: z.literal('clearReadPolicy'), ...target }),
])

const join = z.strictObject({
  type: z.enum(JOIN_TYPES),
  table: z.string(),
  as: z.string().optional(),
  on: z
    .union([z.array(z.strictObject({ left: z.string(), op: COMPARISONS.optional(), right: z.string() })), condition])
    .optional()
    .describe('Pairs of columns that all compare so, or any condition on columns of this table and those before it'),
})
const selectItem = z.union([
  z.string(),
  z.strictObject({ column: z.string(), as: z.string() }),
  z.strictObject({ compute: z.record(z.string(), z.unknown()), as: z.string() }),
])

export const querySchema: z.ZodType = z.strictObject({
  project: z.string(),
  scope: z.string().default('app'),
  from: z.string().describe('A table of the scope, or _global.NAME'),
  as: z.string().optional(),
  joins: z.array(join).optional(),
  where,
  select: z.array(selectItem).optional(),
  distinct: z.boolean().optional(),
  groupBy: z.array(z.string()).optional(),
  aggregates: z
    .array(
      z.strictObject({
        function: z.enum(AGGREGATE_FUNCTIONS),
        column: z.string().optional(),
        as: z.string().optional(),
      }),
    )
    .optional(),
  having: condition.optional(),
  orderBy: z.array(z.strictObject({ column: z.string(), direction: z.enum(['asc', 'desc']).optional() })).optional(),
  limit: integer.optional().describe('Rows at most, or of a page; 100'),
  offset: integer.optional(),
  cursor: z.string().optional().describe('Of the page before; all pages show the same state'),
  allowFullScan: z.boolean().optional(),
  useIndex: z.string().optional(),
})

const written = { seq: integer, token: z.string() }

const plan = {
  path: z.enum(QUERY_PATHS),
  indexes: z.array(z.string()),
  stages: z.array(
    z.object({
      kind: z.enum(QUERY_STAGES),
      text: z.string(),
      estimatedRows: integer.optional().describe('Not told where a read policy hides rows'),
      maxRows: integer.optional(),
    }),
  ),
  isOrderedByScan: z.boolean(),
  isBounded: z.boolean(),
  seq: integer.describe('The state that it was planned for'),
  bounds: z.object({
    pageRows: integer,
    pageBytes: integer,
    scanRows: integer.optional().describe('Absent with allowFullScan'),
    heldBytes: integer,
  }),
}

export const planSchema: z.ZodType = z.object({ ...written, ...plan })

export const queryResultSchema: z.ZodType = z.object({
  ...written,
  columns: z.array(z.string()),
  types: z.array(z.enum(COLUMN_TYPES)).optional(),
  rows: z.array(z.array(value)),
  cursor: z.string().optional().describe('For the next page; absent on the last one'),
  examined: integer.describe(
    'Records that were looked at; where a read policy holds for the caller, rows of the answer',
  ),
  diagnostics: z
    .object({
      plan: z.object(plan),
      stages: z
        .array(z.object({ read: integer, rows: integer, heldBytes: integer }))
        .describe('As many as the plan has'),
      pageBytes: integer,
    })
    .optional(),
  elapsedMs: z.number().optional().describe('Of the read, by the clock of the node; with diagnostics'),
})

export const tablesSchema: z.ZodType = z.object({
  ...written,
  tables: z.array(
    z.object({
      name: z.string(),
      id: integer,
      owner: z.string(),
      definition: z.object(definition),
      readPolicy: condition.optional(),
      rows: integer.optional(),
      indexes: z.array(z.object({ name: z.string(), isReady: z.boolean() })),
      failures: z.array(z.object({ name: z.string(), message: z.string(), seq: integer })),
    }),
  ),
})
