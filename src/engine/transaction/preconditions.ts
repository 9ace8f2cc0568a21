import {
  COMPARISONS,
  compareBytes,
  equalBytes,
  failedCondition,
  isGroupOp,
  isTableOp,
  Op,
  RangeDigest,
  readPoint,
  readRange,
  readTableAssertion,
  readU64,
} from '../../encoding/index.ts'
import type { ComparisonOperator, EnvelopeCursor } from '../../encoding/index.ts'
import type { Scope } from '../catalog/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { isExpired } from '../kv/index.ts'
import { KV_PREFIX_BYTES, kvKey, kvPrefix } from '../layers.ts'
import { isMutant } from '../mutants.ts'
import { prefixEnd } from '../record-store.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { checkRowPoint, checkRowRange, existenceFinding, judgeRows, versionFinding } from '../rows/index.ts'
import type { Finding } from '../rows/index.ts'
import type { Acting } from './acting.ts'
import { NO_NAMES } from './namespaces.ts'

/** The version of the key that the cursor stands on; 0 = absent (or expired). */
function keyVersion(work: EntryWork, cursor: EnvelopeCursor, scope: Scope): number {
  const record = work.changes.metadata(kvKey(scope.id, cursor.bytes, cursor.keyStart, cursor.keyEnd))
  return record === undefined || isExpired(record, work.timeMicros) ? 0 : record.versionSeq
}

/** Checks the point or range of the read set that the cursor stands on; `index` counts both. */
export function checkRead(work: EntryWork, cursor: EnvelopeCursor, acting: Acting, index: number): Refusal | undefined {
  const { namespaces, access, budget } = acting
  if (isTableOp(cursor.op)) {
    const table = namespaces.resolveTable(cursor.namespace, work.state.catalog)
    if ('code' in table) return table
    if (!acting.mayUse('tableRead', table)) return deniedRead()
    return cursor.op === Op.readRowPoint
      ? checkRowPoint(work, table, readPoint(cursor, NO_NAMES), acting.rowCaller(table), index)
      : checkRowRange(work, table, readRange(cursor, NO_NAMES), acting.rowCaller(table), budget, index)
  }
  const scope = namespaces.resolve(cursor.namespace, work.state.catalog)
  if ('code' in scope) return scope
  if (cursor.op === Op.readRange) return checkRange(work, cursor, scope, acting, index)
  const { bytes, keyStart, keyEnd } = cursor
  if (!access.mayUseKey('kvRead', scope.projectId, scope.id, bytes, keyStart, keyEnd)) return deniedRead()
  const expected = readU64(bytes, cursor.restStart)
  const actual = isMutant('read_set_by_neighbours')
    ? newestNeighbour(work, kvKey(scope.id, bytes, keyStart, keyEnd))
    : keyVersion(work, cursor, scope)
  if (actual === expected) return undefined
  return refuse('conflict', 'a key of the read set has changed', { index, actualSeq: actual })
}

/** What the mutant looks at instead of the key's own version: the newest change near it. */
function newestNeighbour(work: EntryWork, key: Uint8Array): number {
  let newest = 0
  let visited = 0
  work.changes.walk(key, undefined, false, (_, { versionSeq }) => {
    newest = Math.max(newest, versionSeq)
    return ++visited < 4
  })
  return newest
}

function checkRange(
  work: EntryWork,
  cursor: EnvelopeCursor,
  scope: Scope,
  { access, budget }: Acting,
  index: number,
): Refusal | undefined {
  const range = readRange(cursor, NO_NAMES)
  const start = range.start ?? new Uint8Array(0)
  if (!access.mayReadRange(scope.projectId, scope.id, start, range.end)) return deniedRead()
  const digest = new RangeDigest()
  const from = kvKey(scope.id, start, 0, start.length)
  const to = range.end === undefined ? prefixEnd(kvPrefix(scope.id)) : kvKey(scope.id, range.end, 0, range.end.length)
  let isTooLarge = false
  if (compareBytes(from, to) < 0) {
    work.changes.walk(from, to, range.reverse === true, (key, record) => {
      if (budget.recordsLeft-- <= 0) {
        isTooLarge = true
        return false
      }
      if (isExpired(record, work.timeMicros)) return true
      digest.add(key, KV_PREFIX_BYTES, key.length, record.versionSeq)
      return range.limit === 0 || digest.records < range.limit
    })
  }
  if (isTooLarge) return refuse('transaction_too_large', 'the ranges of the read set hold too many records')
  if (digest.toHex() === range.digest || isMutant('range_read_set_unchecked')) return undefined
  return refuse('conflict', 'a range of the read set has changed', { index, actualSeq: 0 })
}

/** Checks the assertion that the cursor stands on, with all that it holds. */
export function checkAssertion(
  work: EntryWork,
  cursor: EnvelopeCursor,
  acting: Acting,
  index: number,
  place = `assertions[${index}]`,
): Refusal | undefined {
  acting.isNegated = false
  const found = judge(work, cursor, acting)
  if ('code' in found) return found
  if (found.holds) return undefined
  const { actualSeq, condition } = found
  return refuse('assertion_failed', `${place} does not hold`, {
    index,
    actualSeq,
    ...(condition !== undefined && { condition: { ...condition, path: `${place}${condition.path}` } }),
  })
}

/** Checks the assertions of the `postflight` mutation that the cursor stands on, against what was changed so far. */
export function checkPostflight(
  work: EntryWork,
  cursor: EnvelopeCursor,
  acting: Acting,
  index: number,
): Refusal | undefined {
  let at = cursor.restStart
  const count = cursor.groupCount
  for (let i = 0; i < count; i++) {
    at = cursor.standOn(at)
    const refusal = checkAssertion(work, cursor, acting, index, `mutations[${index}].assertions[${i}]`)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function judge(work: EntryWork, cursor: EnvelopeCursor, acting: Acting): Finding | Refusal {
  if (isGroupOp(cursor.op)) return judgeGroup(work, cursor, acting)
  if (!isTableOp(cursor.op)) return judgeKey(work, cursor, acting)
  const table = acting.namespaces.resolveTable(cursor.namespace, work.state.catalog)
  if ('code' in table) return table
  if (!acting.mayUse('tableRead', table)) return deniedRead()
  const assertion = readTableAssertion(cursor, { ...NO_NAMES, table: table.name })
  return judgeRows(work, table, assertion, acting.rowCaller(table), acting.budget, acting.isNegated)
}

/** In order, as far as is needed: all up to the first that does not hold, any up to the first that does. */
function judgeGroup(work: EntryWork, cursor: EnvelopeCursor, acting: Acting): Finding | Refusal {
  const { op } = cursor
  if (op === Op.assertNot) return judgeNot(work, cursor, acting)
  const isAny = op === Op.assertAny
  let at = cursor.restStart
  const count = cursor.groupCount
  let found: Finding = { holds: !isAny, actualSeq: 0 }
  for (let i = 0; i < count; i++) {
    at = cursor.standOn(at)
    const next = judge(work, cursor, acting)
    if ('code' in next) return next
    found = within(`.assertions[${i}]`, next)
    if (found.holds === isAny) return found
  }
  if (count > 0 || found.holds !== acting.isNegated) return found
  const condition = failedCondition(isAny ? 'any' : 'all', 'eq', acting.isNegated, !found.holds, found.holds)
  return { ...found, condition }
}

function judgeNot(work: EntryWork, cursor: EnvelopeCursor, acting: Acting): Finding | Refusal {
  cursor.standOn(cursor.restStart)
  acting.isNegated = !acting.isNegated
  const found = judge(work, cursor, acting)
  acting.isNegated = !acting.isNegated
  return 'code' in found ? found : within('.assertion', { ...found, holds: !found.holds })
}

/** What was found, where it is told from one level further out. */
function within(step: string, found: Finding): Finding {
  const { condition } = found
  return condition === undefined ? found : { ...found, condition: { ...condition, path: `${step}${condition.path}` } }
}

function judgeKey(work: EntryWork, cursor: EnvelopeCursor, acting: Acting): Finding | Refusal {
  const { namespaces, access, isNegated } = acting
  const scope = namespaces.resolve(cursor.namespace, work.state.catalog)
  if ('code' in scope) return scope
  const { bytes, keyStart, keyEnd, restStart, bodyEnd } = cursor
  if (!access.mayUseKey('kvRead', scope.projectId, scope.id, bytes, keyStart, keyEnd)) return deniedRead()
  if (cursor.op === Op.assertKeyVersion || cursor.op === Op.assertKeyExists) {
    const actualSeq = keyVersion(work, cursor, scope)
    return cursor.op === Op.assertKeyVersion
      ? versionFinding('keyVersion', readU64(bytes, restStart), actualSeq, isNegated)
      : existenceFinding('keyExists', cursor.flags === 1, actualSeq, isNegated)
  }
  const record = work.changes.get(kvKey(scope.id, bytes, keyStart, keyEnd))
  const found = record === undefined || isExpired(record, work.timeMicros) ? undefined : record
  const operand = bytes.subarray(restStart, bodyEnd)
  const isEquality = cursor.op === Op.assertKeyEquals
  const op = isEquality ? 'eq' : COMPARISONS[cursor.flags]!
  const holds =
    found !== undefined && (isEquality ? equalBytes(found.value, operand) : compares(found.value, op, operand))
  const actualSeq = found?.versionSeq ?? 0
  if (holds !== isNegated) return { holds, actualSeq }
  const type = isEquality ? 'keyEquals' : 'keyCompare'
  return { holds, actualSeq, condition: failedCondition(type, op, isNegated, operand, found?.value) }
}

function deniedRead(): Refusal {
  return refuse('permission_denied', 'a precondition reads what the caller may not read')
}

/** Bytewise, which for two big-endian integers of equal width is their order as unsigned numbers. */
function compares(value: Uint8Array, operator: ComparisonOperator, threshold: Uint8Array): boolean {
  const order = compareBytes(value, threshold)
  switch (operator) {
    case 'eq':
      return order === 0
    case 'ne':
      return order !== 0
    case 'lt':
      return order < 0
    case 'lte':
      return order <= 0
    case 'gt':
      return order > 0
    case 'gte':
      return order >= 0
    default:
      throw new RangeError(`comparison ${String(operator satisfies never)}`)
  }
}
