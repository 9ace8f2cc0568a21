import { ddlFromJson, MalformedBytes } from '../../encoding/index.ts'
import { AUDIT_KINDS } from '../audit.ts'
import type { AuditPage, AuditRow } from '../audit.ts'
import { asMap, booleanField, choiceField, field, integerField, listField, optionalField, textField } from './fields.ts'
import type { PlainMap } from './fields.ts'

/** Audit rows out of parsed JSON. */

const HASH = /^[0-9a-f]{64}$/

export function auditFromPlain(map: PlainMap): AuditPage {
  return {
    rows: listField(map, 'rows').map(rowFromPlain),
    isIntact: booleanField(map, 'isIntact'),
    count: integerField(map, 'count'),
    headHash: hashField(map, 'headHash'),
  }
}

function rowFromPlain(value: unknown): AuditRow {
  const map = asMap(value, 'row')
  const operation = optionalField(map, 'operation', field)
  const assertion = optionalField(map, 'assertion', field)
  const hash = optionalField(map, 'hash', hashField)
  const previousHash = optionalField(map, 'previousHash', hashField)
  return {
    seq: integerField(map, 'seq'),
    timeMicros: integerField(map, 'timeMicros'),
    kind: choiceField(map, 'kind', AUDIT_KINDS),
    actor: textField(map, 'actor'),
    caller: textField(map, 'caller'),
    code: textField(map, 'code'),
    ...(operation !== undefined && { operation: ddlFromJson(asMap(operation, 'operation'))[0]! }),
    ...(assertion !== undefined && { assertion: assertionFromPlain(asMap(assertion, 'assertion')) }),
    ...(hash !== undefined && { hash }),
    ...(previousHash !== undefined && { previousHash }),
  }
}

function assertionFromPlain(map: PlainMap): NonNullable<AuditRow['assertion']> {
  return { index: integerField(map, 'index'), actualSeq: integerField(map, 'actualSeq') }
}

function hashField(map: PlainMap, name: string): string {
  const hash = textField(map, name)
  if (!HASH.test(hash)) throw new MalformedBytes(`${name}: no hash`)
  return hash
}
