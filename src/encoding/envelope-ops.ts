/** The numbers in envelopes (docs/formats/envelope.md). On the wire and on disk: never reused. */

/** The namespace of items that have none (DDL, lists of assertions). */
export const NO_NAMESPACE = 0xffff

/** Operations of items. 1-31 assertions, 32-39 read set, 64-191 mutations: 64-79 on a key, 80-95 on a table. */
export const Op = {
  assertKeyVersion: 1,
  assertKeyExists: 2,
  assertKeyEquals: 3,
  assertKeyCompare: 4,
  assertRowVersion: 8,
  assertRowExists: 9,
  assertRowCompare: 10,
  assertCount: 11,
  assertSum: 12,
  assertAll: 16,
  assertAny: 17,
  assertNot: 18,
  readPoint: 32,
  readRange: 33,
  readRowPoint: 34,
  readRowRange: 35,
  kvSet: 64,
  kvDelete: 65,
  kvIncrement: 66,
  kvDecrement: 67,
  kvMax: 68,
  kvMin: 69,
  kvMutate: 70,
  kvAddSigned: 71,
  counterAdd: 72,
  insert: 80,
  upsert: 81,
  update: 82,
  delete: 83,
  updateWhere: 84,
  deleteWhere: 85,
  emitEvent: 96,
  postflight: 97,
  ddl: 128,
} as const
export type Op = (typeof Op)[keyof typeof Op]

/** One item as `EnvelopeCursor` stands on it: what readers of items look at. */
export interface EnvelopeItem {
  readonly bytes: Uint8Array
  readonly op: number
  readonly flags: number
  readonly bodyStart: number
  readonly bodyEnd: number
  readonly keyStart: number
  readonly keyEnd: number
  readonly restStart: number
}

/** Whether items of this operation name a key (`EnvelopeCursor.keyStart`): of KV. */
export function isKeyOp(op: number): boolean {
  return (
    (op >= Op.kvSet && op <= Op.counterAdd) || op <= Op.assertKeyCompare || op === Op.readPoint || op === Op.readRange
  )
}

/** Whether items of this operation name a table (`EnvelopeCursor.keyStart` then is its name). */
export function isTableOp(op: number): boolean {
  return (
    (op >= Op.insert && op <= Op.deleteWhere) ||
    (op >= Op.assertRowVersion && op <= Op.assertSum) ||
    op === Op.readRowPoint ||
    op === Op.readRowRange
  )
}

/** Whether items of this operation hold assertions of their own. */
export function isGroupOp(op: number): boolean {
  return (op >= Op.assertAll && op <= Op.assertNot) || op === Op.postflight
}

/** Flags of kvSet. */
export const SET_HAS_TTL = 1
/** Flags of kvIncrement and kvDecrement: bit 0 width 256, bit 1 missing key is refused, bits 2-3 out of range policy. */
export const NUMBER_WIDE = 1
export const NUMBER_MISSING_REJECT = 2
export const NUMBER_RANGE_SHIFT = 2
export const RangePolicy = { reject: 0, saturate: 1, ignore: 2 } as const
/** Flags of readRange and readRowRange. */
export const RANGE_HAS_START = 1
export const RANGE_HAS_END = 2
export const RANGE_REVERSE = 4
/** Of readRowRange only: over an index, not the primary key. */
export const RANGE_HAS_INDEX = 8

/** How deep assertions may lie in assertions. */
export const ASSERTION_DEPTH_MAX = 16
/** Columns of a table, and of a list of rows. */
export const COLUMNS_MAX = 1_000
