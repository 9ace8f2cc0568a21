import { COLUMN_TYPES, COMPARISONS, CONDITION_TYPES, MISMATCH, toColumnValue } from '../../encoding/index.ts'
import type { ColumnType, FailedCondition, Value } from '../../encoding/index.ts'
import { asBytes, asMap, booleanField, choiceField, field, integerField, optionalField, textField } from './fields.ts'
import type { PlainMap } from './fields.ts'

/** The condition of an `assertion_failed` out of parsed JSON. */
export function conditionField(parent: PlainMap, name: string): FailedCondition {
  const map = asMap(field(parent, name), name)
  const type = choiceField(map, 'type', CONDITION_TYPES)
  const columnType = optionalField(map, 'columnType', (of, as) => choiceField(of, as, COLUMN_TYPES))
  const isNegated = optionalField(map, 'isNegated', booleanField) === true
  const expectedBytes = optionalField(map, 'expectedBytes', integerField)
  const actualBytes = optionalField(map, 'actualBytes', integerField)
  return {
    path: textField(map, 'path'),
    type,
    op: choiceField(map, 'op', COMPARISONS),
    ...(isNegated && { isNegated }),
    expected: valueField(map, 'expected', type, columnType),
    // Null is what was found; nothing was where the field is absent.
    ...(Object.hasOwn(map, 'actual') && { actual: valueField(map, 'actual', type, columnType) }),
    ...(expectedBytes !== undefined && { expectedBytes }),
    ...(actualBytes !== undefined && { actualBytes }),
    ...(columnType !== undefined && { columnType }),
  }
}

const DIGITS = /^-?\d{1,78}$/

/** JSON has one form for a text of digits and for a large integer: what it is, the kind of the condition says. */
function valueField(map: PlainMap, name: string, type: FailedCondition['type'], columnType?: ColumnType): Value {
  const value = field(map, name)
  if (type === 'keyEquals' || type === 'keyCompare') return asBytes(value, name)
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') {
    if (type === 'sum' && typeof value === 'string' && DIGITS.test(value)) return BigInt(value)
    return (columnType === undefined ? undefined : ofColumn(columnType, value)) ?? value
  }
  return asBytes(value, name)
}

/** Undefined for a literal that the column cannot hold: conditions may compare with one. */
function ofColumn(columnType: ColumnType, value: Value): Value | undefined {
  const cell = toColumnValue(columnType, value)
  return cell === MISMATCH ? undefined : cell
}
