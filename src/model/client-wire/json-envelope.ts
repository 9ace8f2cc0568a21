import { MalformedBytes, type MutationResult, type Outcome, type RefusalDetail } from '../../encoding/index.ts'
import { asMap, choiceField, field, integerField, listField, optionalField, textField } from './fields.ts'
import { conditionField } from './json-condition.ts'
import type { PlainMap } from './fields.ts'

/** `Outcome` out of parsed JSON; transactions and DDL are read by `transactionFromJson` and `ddlFromJson` of encoding. */

const DECIMAL = /^(0|-?[1-9]\d{0,77})$/

export function outcomeFromPlain(value: unknown): Outcome {
  const map = asMap(value, 'outcome')
  const status = choiceField(map, 'status', ['committed', 'refused'])
  const seq = integerField(map, 'seq')
  if (status === 'committed') {
    const results = listField(map, 'results').map(mutationResult)
    return map['isDuplicate'] === true ? { status, seq, results, isDuplicate: true } : { status, seq, results }
  }
  const detail = optionalField(map, 'detail', refusalDetail)
  const refusal = { status, seq, code: textField(map, 'code'), message: textField(map, 'message') }
  return detail === undefined ? refusal : { ...refusal, detail }
}

function refusalDetail(parent: PlainMap, name: string): RefusalDetail {
  const map = asMap(field(parent, name), name)
  const condition = optionalField(map, 'condition', conditionField)
  const item = { index: integerField(map, 'index', 0xffffffff), actualSeq: integerField(map, 'actualSeq') }
  return condition === undefined ? item : { ...item, condition }
}

/** A number up to 2^53, a text of digits beyond. */
function mutationResult(value: unknown): MutationResult {
  if (value === null || typeof value === 'boolean') return value ?? undefined
  if (typeof value === 'string' && DECIMAL.test(value)) return BigInt(value)
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  throw new MalformedBytes('results: not a number')
}
