import assert from 'node:assert/strict'
import { compareBytes, encodeRow, hmacSha256By } from '../../../src/encoding/index.ts'
import type { ColumnType, Expr, Value } from '../../../src/encoding/index.ts'
import { compileCondition, InvalidExpression } from '../../../src/engine/conditions/index.ts'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import { KeyspaceReader, loadLater } from '../../../src/engine/keyspace-store.ts'
import { planQuery, QueryRun, ReadCapture } from '../../../src/engine/query/index.ts'
import type { QueryContext } from '../../../src/engine/query/index.ts'
import { ColdPages } from '../../../src/engine/record-store.ts'
import type { RecordReader, StoredRecord } from '../../../src/engine/record-store.ts'
import { indexKey, rowKey, Table } from '../../../src/engine/tables/index.ts'
import type { TableIndex } from '../../../src/engine/tables/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import type { QueryData, QueryResult } from '../../../src/model/index.ts'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { META, optionsFor } from '../keyspace/support.ts'

export type Cells = Readonly<Record<string, Value>>

export interface IndexShape {
  name: string
  columns: readonly string[]
  kind?: 'ordered' | 'hash'
  isUnique?: boolean
  where?: Expr
  isReady?: boolean
}

export interface TableShape {
  name: string
  /** In the order of the columns; `?` behind a type makes it nullable. */
  columns: Readonly<Record<string, ColumnType | `${ColumnType}?`>>
  primaryKey: readonly string[]
  indexes?: readonly IndexShape[]
  readPolicy?: Expr
}

export function makeTable(id: number, shape: TableShape): Table {
  const names = Object.keys(shape.columns)
  const idOf = (name: string): number => names.indexOf(name) + 1
  const columns = names.map(name => {
    const text = shape.columns[name]!
    const isNullable = text.endsWith('?')
    const type = (isNullable ? text.slice(0, -1) : text) as ColumnType
    return { id: idOf(name), name, type, isNullable, default: null, isDefaultNow: false, missing: null }
  })
  const stored = columns.filter(({ name }) => !shape.primaryKey.includes(name))
  const indexes = (shape.indexes ?? []).map((index, i): TableIndex => ({
    id: id * 100 + i,
    name: index.name,
    columns: index.columns.map(idOf),
    kind: index.kind ?? 'ordered',
    isUnique: index.isUnique ?? false,
    where: index.where,
    isReady: index.isReady ?? true,
  }))
  const parts = {
    id,
    projectId: 1,
    scopeId: 1,
    name: shape.name,
    owner: '',
    columns,
    primaryKey: shape.primaryKey.map(idOf),
    layouts: [{ version: 1, columns: stored.map(column => ({ id: column.id, type: column.type })) }],
    indexes,
    checks: [],
    foreignKeys: [],
    readPolicy: shape.readPolicy,
    nextColumnId: columns.length + 1,
    failures: [],
    pendingNotNull: [],
  }
  return new Table(parts)
}

export interface Put {
  readonly key: Uint8Array
  readonly record: StoredRecord
}

/** A row and its index entries as records. */
export function recordsOf(table: Table, cells: Cells, seq: number = 1, expiresAtMicros: number = 0): Put[] {
  const values = table.columns.map(({ name }) => cells[name] ?? null)
  const { layout, slots } = table.newest
  const stored: Value[] = []
  slots.forEach((slot, position) => {
    if (slot >= 0) stored[slot] = values[position]!
  })
  const key = rowKey(
    table,
    table.keyPositions.map(position => values[position]!),
  )
  const common = { versionSeq: seq, createdSeq: seq, expiresAtMicros }
  const puts: Put[] = [{ key, record: { value: encodeRow(layout, stored), ...common } }]
  for (const index of table.parts.indexes) {
    if (index.where !== undefined) {
      const condition = compileCondition(index.where, table, '')
      assert.ok(!(condition instanceof InvalidExpression))
      if (condition({ cell: position => values[position]! }) !== true) continue
    }
    const own = index.columns.map(id => values[table.positionOfId(id)!]!)
    puts.push({ key: indexKey(table, index, own, key), record: { value: new Uint8Array(0), ...common } })
  }
  return puts
}

/** Records in memory: a reader that only walks. */
export function memoryOf(puts: readonly Put[]): RecordReader {
  const sorted = puts.toSorted((a, b) => compareBytes(a.key, b.key))
  const placeOf = (key: Uint8Array): number => {
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(sorted[middle]!.key, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
  const get = (key: Uint8Array): StoredRecord | undefined => {
    const put = sorted[placeOf(key)]
    return put !== undefined && compareBytes(put.key, key) === 0 ? put.record : undefined
  }
  return {
    get,
    metadata: get,
    walk: (start, end, reverse, visit) => {
      const from = placeOf(start)
      const to = end === undefined ? sorted.length : placeOf(end)
      for (let i = 0; i < to - from; i++) {
        const { key, record } = sorted[reverse ? to - 1 - i : from + i]!
        if (!visit(key, record, () => record.value)) return
      }
    },
  }
}

/** Seqs that records may be of. */
const SEQS = 10

/** Records behind all tables, which leave none of their pages in a small memory. */
const FILLERS: readonly Put[] = Array.from({ length: 200 }, (_, i) => ({
  key: Uint8Array.of(0x20, 0, 0, 0, 1, i),
  record: { value: new Uint8Array(500), versionSeq: 1, createdSeq: 1, expiresAtMicros: 0 },
}))

export interface Stored {
  /** Throws `ColdPages` where pages are not in memory. */
  readonly reader: RecordReader
  close(): Promise<void>
}

/** The records in pages of 4 KiB, of which `budgetBytes` stay in memory. */
export async function pagesOf(puts: readonly Put[], budgetBytes: number): Promise<Stored> {
  const disk = new SimulatedDisk({ seed: 1 })
  const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096, { budgetBytes }))
  let seq = SEQS
  for (const { key, record } of [...puts, ...FILLERS]) {
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(++seq)
    for (;;) {
      const cold = keyspace.writer.prepare([key])
      if (cold === undefined) break
      await keyspace.load(cold)
    }
    const { value, versionSeq, createdSeq, expiresAtMicros } = record
    keyspace.writer.put(key, value, versionSeq, createdSeq, expiresAtMicros)
    keyspace.publish(seq, META)
    if (seq % 50 === 0) await keyspace.checkpoint(wanted => wanted)
  }
  await keyspace.checkpoint(wanted => wanted)
  const view = keyspace.view()
  return {
    reader: new KeyspaceReader(view.reader, loadLater(keyspace)),
    close: async () => {
      view.close()
      await keyspace.close()
    },
  }
}

export const signCursor: (bytes: Uint8Array) => Uint8Array = hmacSha256By(new Uint8Array(32).fill(7))

export function contextFor(
  tables: readonly Table[],
  reader: RecordReader,
  more: Partial<QueryContext> = {},
): QueryContext {
  return {
    reader,
    timeMicros: 1_000,
    seq: 9,
    caller: 'anna',
    limits: { scanRowsMax: 100_000, bytesMax: 1 << 26 },
    signCursor,
    table: (_project, _scope, name) => {
      const table = tables.find(other => other.name === name)
      if (table === undefined) throw new QuorateError('table_not_found', `there is no table ${name}`)
      return table
    },
    mayRead: () => true,
    policyOf: table => table.parts.readPolicy,
    ...more,
  }
}

export interface Ran {
  readonly result: QueryResult
  readonly steps: number
  readonly loads: number
}

let loadsOfAll = 0

/** How often queries have met pages that were not in memory. */
export function loadsSeen(): number {
  return loadsOfAll
}

/** Runs a page of a query, loading what is cold. */
export async function runQuery(context: QueryContext, query: QueryData, capture?: ReadCapture): Promise<Ran> {
  const run = new QueryRun(planQuery(query, context), context, capture)
  let steps = 0
  let loads = 0
  for (;;) {
    try {
      const result = run.step()
      steps++
      if (result !== undefined) return { result, steps, loads }
    } catch (error) {
      if (!(error instanceof ColdPages)) throw error
      loads++
      loadsOfAll++
      await error.load()
    }
  }
}

/** All pages of a query, one after the other. */
export async function allPages(context: QueryContext, query: QueryData): Promise<Value[][]> {
  const rows: Value[][] = []
  let page: QueryData = query
  for (;;) {
    const { result } = await runQuery(context, page)
    for (const row of result.rows) rows.push([...row])
    if (result.cursor === undefined) return rows
    assert.ok(result.rows.length > 0, 'a page with a cursor has rows')
    const { offset: _, ...rest } = query
    page = { ...rest, cursor: result.cursor }
  }
}
