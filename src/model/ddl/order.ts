import type { Ddl, ForeignKeyDefinition, TableTarget } from '../../encoding/index.ts'
import { QuorateError } from '../errors.ts'
import { containers, footprintOf, referencesOf, tablePath } from './footprint.ts'
import type { Footprint } from './footprint.ts'
import { describeDdl } from './describe.ts'

/** A table that exists, with what it refers to. */
export interface ReferringTable extends TableTarget {
  foreignKeys: readonly ForeignKeyDefinition[]
}

/**
 * Positions of the operations in an order in which each finds what it rests on: what is created comes before what needs it (projects,
 * scopes, tables, columns, indexes, foreign keys, permissions), what is taken away after what has to do with it, the inner before the
 * outer. What does not depend on each other keeps the order given, and so do a removal and a creation of one name.
 * @param existing tables whose foreign keys say which of two dropped tables goes first
 * @throws QuorateError `invalid_argument` where operations depend on each other in a circle, as tables that refer to each other do
 */
export function orderDdl(operations: readonly Ddl[], existing: readonly ReferringTable[] = []): number[] {
  const footprints = operations.map(footprintOf)
  const predecessors = footprints.map(() => new Set<number>())
  const before = (first: number, then: number): void => {
    if (first !== then) predecessors[then]!.add(first)
  }
  orderByNames(footprints, before)
  orderByKind(operations, before)
  orderDrops(operations, existing, before)
  return sorted(operations, predecessors)
}

type Before = (first: number, then: number) => void

/** Positions by name. */
function indexOf(footprints: readonly Footprint[], part: 'creates' | 'drops' | 'needs'): Map<string, number[]> {
  const positions = new Map<string, number[]>()
  for (const [i, footprint] of footprints.entries()) {
    for (const name of footprint[part]) {
      const list = positions.get(name)
      if (list === undefined) positions.set(name, [i])
      else if (list.at(-1) !== i) list.push(i)
    }
  }
  return positions
}

function orderByNames(footprints: readonly Footprint[], before: Before): void {
  const creates = indexOf(footprints, 'creates')
  const drops = indexOf(footprints, 'drops')
  const needs = indexOf(footprints, 'needs')
  for (const [name, users] of needs) {
    const dropped = drops.get(name) ?? []
    for (const creator of creates.get(name) ?? []) {
      for (const user of users) if (!dropped.includes(user)) before(creator, user)
    }
  }
  for (const [name, droppers] of drops) {
    const creators = creates.get(name) ?? []
    for (const dropper of droppers) {
      for (const creator of creators) before(Math.min(creator, dropper), Math.max(creator, dropper))
      // What needs a name that is created anew means the new one.
      if (!creators.some(creator => creator > dropper)) {
        for (const user of needs.get(name) ?? []) before(user, dropper)
      }
      for (const outer of containers(name)) for (const last of drops.get(outer) ?? []) before(dropper, last)
    }
  }
  const slots = new Map<string, number>()
  for (const [i, { slot }] of footprints.entries()) {
    if (slot === undefined) continue
    const earlier = slots.get(slot)
    if (earlier !== undefined) before(earlier, i)
    slots.set(slot, i)
  }
}

/** Foreign keys go before the indexes and tables that they rest on, all rules of a table before its columns. */
function orderByKind(operations: readonly Ddl[], before: Before): void {
  const released: number[] = []
  const rules: { table: string; position: number }[] = []
  for (const [position, operation] of operations.entries()) {
    if (operation.type === 'dropIndex') rules.push({ table: tablePath(operation), position })
    if (operation.type !== 'alterTable') continue
    const { type } = operation.alteration
    if (type === 'dropForeignKey') released.push(position)
    if (type === 'dropForeignKey' || type === 'dropCheck') rules.push({ table: tablePath(operation), position })
  }
  for (const [position, operation] of operations.entries()) {
    if (operation.type === 'dropIndex' || operation.type === 'dropTable') {
      for (const foreignKey of released) before(foreignKey, position)
    }
    if (operation.type === 'alterTable' && operation.alteration.type === 'dropColumn') {
      for (const rule of rules) if (rule.table === tablePath(operation)) before(rule.position, position)
    }
  }
}

/** A table that refers to another one is dropped first: the other may not go while it is referred to. */
function orderDrops(operations: readonly Ddl[], existing: readonly ReferringTable[], before: Before): void {
  const dropped = new Map<string, number>()
  for (const [i, operation] of operations.entries()) {
    if (operation.type === 'dropTable') dropped.set(tablePath(operation), i)
  }
  for (const table of existing) {
    const referring = dropped.get(tablePath(table))
    if (referring === undefined) continue
    for (const key of table.foreignKeys) {
      const referred = dropped.get(referencesOf(table, key)[0]!)
      if (referred !== undefined) before(referring, referred)
    }
  }
}

/** Each after its predecessors, otherwise in the order given. */
function sorted(operations: readonly Ddl[], predecessors: readonly ReadonlySet<number>[]): number[] {
  const order: number[] = []
  const state = new Uint8Array(operations.length)
  const [isUnder, isDone] = [1, 2]
  for (const first of operations.keys()) {
    const path: { position: number; waiting: number[] }[] = []
    const enter = (position: number): void => {
      if (state[position] === isDone) return
      if (state[position] === isUnder) {
        const from = path.findIndex(step => step.position === position)
        throw circle(
          operations,
          path.slice(from).map(step => step.position),
        )
      }
      state[position] = isUnder
      path.push({ position, waiting: [...predecessors[position]!].sort((a, b) => b - a) })
    }
    enter(first)
    while (path.length > 0) {
      const { position, waiting } = path.at(-1)!
      const next = waiting.pop()
      if (next !== undefined) enter(next)
      else {
        state[position] = isDone
        order.push(position)
        path.pop()
      }
    }
  }
  return order
}

function circle(operations: readonly Ddl[], positions: readonly number[]): QuorateError {
  const index = Math.min(...positions)
  const names = [...positions].sort((a, b) => a - b).map(i => `operation ${i} (${describeDdl(operations[i]!)})`)
  return new QuorateError('invalid_argument', `${names.join(' and ')} depend on each other in a circle`, {
    detail: { index },
  })
}
