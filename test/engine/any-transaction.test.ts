import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { decodeOutcome, encodeEnvelope, encodeRequest, EntryKind } from '../../src/encoding/index.ts'
import type { TransactionEnvelope } from '../../src/encoding/index.ts'
import { transaction } from '../encoding/arbitraries.ts'
import { seed } from '../platform/seed.ts'
import { Harness } from './harness.ts'

/** The same transaction on a project and scopes that exist. */
function onExisting(envelope: TransactionEnvelope, scope: string): TransactionEnvelope {
  const moved = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(moved)
    if (typeof node !== 'object' || node === null || node instanceof Uint8Array) return node
    const fields = Object.entries(node).map(([name, field]) => {
      if (typeof field === 'string' && name === 'project') return [name, 'p']
      return typeof field === 'string' && name === 'scope' ? [name, scope] : [name, moved(field)]
    })
    return Object.fromEntries(fields)
  }
  return moved(envelope) as TransactionEnvelope
}

const callers = fc.constantFrom('root', 'nobody')

describe('any transaction', () => {
  it('that has the form is committed or refused, whoever sends it', async () => {
    const harness = await Harness.withProject()
    const sent = fc.tuple(transaction, callers, fc.constantFrom('app', 'other', undefined))
    const property = fc.asyncProperty(sent, async ([envelope, caller, scope]) => {
      const moved = scope === undefined ? envelope : onExisting(envelope, scope)
      const header = { caller, session: 0, serial: 0, acknowledgedThrough: 0, notAfterMicros: 0, copy: 0 }
      const request = encodeRequest(header, encodeEnvelope(moved))
      if (harness.core.checkRequest(request) === undefined) harness.core.preflight(request)
      const applied = await harness.applyOne(EntryKind.transaction, request)
      const outcome = decodeOutcome(applied!.outcome)
      assert.ok(outcome.status === 'committed' || outcome.code !== 'malformed_request', JSON.stringify(outcome))
    })
    await fc.assert(property, { seed, numRuns: 400 })
  })

  it('with some bytes changed is committed or refused', async () => {
    const harness = await Harness.withProject()
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 })
    const property = fc.asyncProperty(transaction, changes, async (envelope, changes) => {
      const bytes = encodeEnvelope(onExisting(envelope, 'app'))
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      const header = { caller: 'root', session: 0, serial: 0, acknowledgedThrough: 0, notAfterMicros: 0, copy: 0 }
      const applied = await harness.applyOne(EntryKind.transaction, encodeRequest(header, bytes))
      decodeOutcome(applied!.outcome)
    })
    await fc.assert(property, { seed, numRuns: 600 })
  })
})
