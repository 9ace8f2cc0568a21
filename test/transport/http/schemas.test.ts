import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ddlToJson, transactionToJson } from '../../../src/encoding/index.ts'
import { ddlSchema, envelopeSchema } from '../../../src/transport/http/schemas.ts'
import { check, ddl, transaction } from '../../encoding/arbitraries.ts'

it('the described form of a transaction and of DDL takes every transaction and every DDL', () => {
  check(transaction, 200, envelope => {
    const parsed = envelopeSchema.safeParse(JSON.parse(JSON.stringify(transactionToJson(envelope))))
    assert.equal(parsed.success, true, parsed.error?.message)
  })
  check(ddl, 200, operation => {
    const parsed = ddlSchema.safeParse(JSON.parse(JSON.stringify(ddlToJson(operation))))
    assert.equal(parsed.success, true, parsed.error?.message)
  })
})

it('the described form of a transaction refuses what is misspelt', () => {
  assert.equal(envelopeSchema.safeParse({ mutations: [], asertions: [] }).success, false)
  assert.equal(
    envelopeSchema.safeParse({ mutations: [{ type: 'kvSett', project: 'p', key: { $b: '' } }] }).success,
    false,
  )
})
