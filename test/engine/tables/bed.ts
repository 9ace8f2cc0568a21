import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { decodeOutcome, encodeEnvelope, encodeRequest, encodeTick, EntryKind } from '../../../src/encoding/index.ts'
import type { Assertion, Ddl, Mutation, Outcome, Row, TransactionEnvelope, Value } from '../../../src/encoding/index.ts'
import { EMPTY_STATE } from '../../../src/engine/cluster-state.ts'
import { compileCondition, CellList } from '../../../src/engine/conditions/index.ts'
import { EntryApplier } from '../../../src/engine/entry-applier.ts'
import { EffectLog } from '../../../src/engine/events/index.ts'
import { Layer } from '../../../src/engine/layers.ts'
import { NO_RECORDS, PrivateStore } from '../../../src/engine/private-store.ts'
import { prefixEnd } from '../../../src/engine/record-store.ts'
import { indexKey, indexPrefix, RowView, rowsPrefix } from '../../../src/engine/tables/index.ts'
import type { Table } from '../../../src/engine/tables/index.ts'

export const SECOND = 1_000_000

/** Apply over records in memory, with a project `p`: what the tests of tables look into. */
export class Bed {
  readonly store = new PrivateStore(NO_RECORDS)
  readonly effects = new EffectLog()
  readonly applier: EntryApplier
  timeMicros = 1_000 * SECOND
  seq = 0
  /** Every entry's kind, time and payload, to be applied elsewhere too. */
  readonly entries: { kind: EntryKind; timeMicros: number; payload: Uint8Array }[] = []

  constructor() {
    this.applier = new EntryApplier(this.store, this.effects, EMPTY_STATE, 0)
    this.ddl({ type: 'createProject', project: 'p' })
  }

  apply(kind: EntryKind, payload: Uint8Array): Outcome | undefined {
    this.entries.push({ kind, timeMicros: this.timeMicros, payload })
    this.effects.beginEpoch(this.effects.chain)
    const entry = this.applier.apply(kind, ++this.seq, this.timeMicros, payload, 0, payload.length)
    return entry === undefined ? undefined : decodeOutcome(entry.outcome)
  }

  submit(envelope: TransactionEnvelope, caller = 'root'): Outcome {
    const header = { caller, session: 0, serial: 0, acknowledgedThrough: 0, notAfterMicros: 0, copy: 0 }
    const outcome = this.apply(EntryKind.transaction, encodeRequest(header, encodeEnvelope(envelope)))
    return outcome!
  }

  /** The results of mutations that must be committed. */
  commit(...mutations: Mutation[]): readonly (bigint | boolean | undefined)[] {
    const outcome = this.submit({ mutations })
    assert.equal(outcome.status, 'committed', inspect(outcome))
    return outcome.status === 'committed' ? outcome.results : []
  }

  /** The code with which the mutations are refused. */
  refusal(mutation: Mutation | readonly Mutation[], caller = 'root'): string {
    const before = this.records()
    const outcome = this.submit({ mutations: 'length' in mutation ? mutation : [mutation] }, caller)
    assert.equal(outcome.status, 'refused')
    assert.deepEqual(this.records(), before, 'a refusal changes nothing')
    return outcome.status === 'refused' ? outcome.code : ''
  }

  /** Whether the assertions hold. */
  holds(assertions: readonly Assertion[], caller = 'root'): boolean | string {
    const outcome = this.submit({ assertions, mutations: [] }, caller)
    if (outcome.status === 'committed') return true
    return outcome.code === 'assertion_failed' ? false : outcome.code
  }

  ddl(...operations: Ddl[]): readonly (bigint | boolean | undefined)[] {
    return this.commit(...operations.map(operation => ({ type: 'ddl', operation }) as const))
  }

  ddlRefusal(...operations: Ddl[]): string {
    return this.refusal(operations.map(operation => ({ type: 'ddl', operation }) as const))
  }

  tick(keysMax = 1_000): void {
    this.timeMicros++
    this.apply(EntryKind.tick, encodeTick(keysMax))
  }

  /** Ticks until no job is left. */
  settle(keysMax = 1_000): void {
    for (let ticks = 0; this.applier.state.jobs.length > 0; ticks++) {
      assert.ok(ticks < 10_000, 'the jobs come to an end')
      this.tick(keysMax)
    }
  }

  table(name: string, scope = 'app', project = 'p'): Table {
    const { catalog } = this.applier.state
    const table = catalog.table(catalog.scope(project, scope)!.id, name)
    assert.ok(table !== undefined, `there is a table ${name}`)
    return table
  }

  /** The unexpired rows, in the order of the primary key. */
  rows(name: string, scope = 'app', project = 'p'): Record<string, Value>[] {
    const table = this.table(name, scope, project)
    const view = new RowView(table)
    const rows: Record<string, Value>[] = []
    const prefix = rowsPrefix(table.id)
    this.store.walk(prefix, prefixEnd(prefix), false, (key, { expiresAtMicros }, value) => {
      if (expiresAtMicros !== 0 && expiresAtMicros <= this.timeMicros) return true
      view.open(key, value())
      rows.push(Object.fromEntries(table.columns.map((column, i) => [column.name, view.cell(i)])))
      return true
    })
    return rows
  }

  /** All records, as hexadecimal key: value, seqs. */
  records(): string[] {
    const records: string[] = []
    this.store.walk(new Uint8Array(1), undefined, false, (key, metadata, value) => {
      const { versionSeq, createdSeq, expiresAtMicros } = metadata
      records.push(`${hex(key)}: ${hex(value())} ${versionSeq} ${createdSeq} ${expiresAtMicros}`)
      return true
    })
    return records
  }

  /** Every index that is ready has just the entries of its table's rows, and no space has records that nobody knows. */
  checkIndexes(): void {
    const { catalog } = this.applier.state
    const known = new Set<string>()
    for (const project of catalog.projects()) {
      for (const scope of catalog.scopes(catalog.project(project.name)!)) {
        for (const table of catalog.tables(scope.id)) {
          known.add(hex(rowsPrefix(table.id)))
          for (const index of table.parts.indexes) {
            known.add(hex(indexPrefix(index.id)))
            const actual = this.#keys(indexPrefix(index.id))
            const expected = this.#expectedEntries(table, index.id)
            if (index.isReady) assert.deepEqual(actual, expected, `index ${index.name} of ${table.name}`)
            else for (const entry of actual) assert.ok(expected.includes(entry), `an entry of ${index.name} too many`)
          }
        }
      }
    }
    if (this.applier.state.jobs.length > 0) return
    this.store.walk(Uint8Array.of(Layer.rows), undefined, false, key => {
      assert.ok(known.has(hex(key.subarray(0, 5))), `record ${hex(key)} belongs to nothing`)
      return true
    })
  }

  #keys(prefix: Uint8Array): string[] {
    const keys: string[] = []
    this.store.walk(prefix, prefixEnd(prefix), false, (key, { expiresAtMicros }) => {
      keys.push(`${hex(key)} ${expiresAtMicros}`)
      return true
    })
    return keys
  }

  #expectedEntries(table: Table, indexId: number): string[] {
    const index = table.indexOfId(indexId)!
    const view = new RowView(table)
    const entries: string[] = []
    const prefix = rowsPrefix(table.id)
    this.store.walk(prefix, prefixEnd(prefix), false, (key, { expiresAtMicros }, value) => {
      view.open(key, value())
      const cells = view.cells()
      if (index.where !== undefined) {
        const condition = compileCondition(index.where, table, '')
        assert.ok(typeof condition === 'function')
        if (condition(new CellList(cells)) !== true) return true
      }
      const indexed = index.columns.map(id => cells[table.positionOfId(id)!]!)
      entries.push(`${hex(indexKey(table, index, indexed, key.slice()))} ${expiresAtMicros}`)
      return true
    })
    return entries.sort()
  }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export const T = { project: 'p', table: 't' } as const

export function insert(table: string, ...rows: Row[]): Mutation {
  return { type: 'insert', project: 'p', table, rows }
}

export function upsert(table: string, ...rows: Row[]): Mutation {
  return { type: 'upsert', project: 'p', table, rows }
}

export function update(table: string, key: Row, set: Extract<Mutation, { type: 'update' }>['set']): Mutation {
  return { type: 'update', project: 'p', table, key, set }
}

export function remove(table: string, key: Row): Mutation {
  return { type: 'delete', project: 'p', table, key }
}
