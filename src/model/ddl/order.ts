import type { Ddl, ForeignKeyDefinition, TableTarget } from '../../encoding/index.ts'
import { QuorateError } from '../errors.ts'
import { containers, footprintOf, referencesOf, tablePath } from './footprint.ts'
import type { Footprint } from './footprint.ts'
import { describeDdl } from './describe.ts'
import { Precedence } from './precedence.ts'

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
  const graph = new Precedence(operations.length)
  orderByNames(footprints, graph)
  orderByKind(operations, graph)
  orderDrops(operations, existing, graph)
  return sorted(operations, graph)
}

/** Positions by name. */
function indexOf(footprints: readonly Footprint[], part: 'creates' | 'drops' | 'needs'): Map<string, number[]> {
  const positions = new Map<string, number[]>()
  for (const [i, footprint] of footprints.entries()) {
    for (const name of footprint[part]) add(positions, name, i)
  }
  return positions
}

function add(positions: Map<string, number[]>, name: string, position: number): void {
  const list = positions.get(name)
  if (list === undefined) positions.set(name, [position])
  else if (list.at(-1) !== position) list.push(position)
}

function orderByNames(footprints: readonly Footprint[], graph: Precedence): void {
  const creates = indexOf(footprints, 'creates')
  const drops = indexOf(footprints, 'drops')
  const needs = indexOf(footprints, 'needs')
  for (const [name, users] of needs) {
    const dropped = new Set(drops.get(name))
    graph.allBefore(
      creates.get(name) ?? [],
      users.filter(user => !dropped.has(user)),
    )
  }
  const inner = new Map<string, number[]>()
  for (const [name, droppers] of drops) {
    const creators = creates.get(name) ?? []
    inTurn(creators, droppers, graph)
    // What needs a name that is created anew means the new one.
    const lastCreator = creators.at(-1) ?? -1
    graph.allBefore(
      needs.get(name) ?? [],
      droppers.filter(dropper => dropper >= lastCreator),
    )
    for (const outer of containers(name)) {
      if (drops.has(outer)) for (const dropper of droppers) add(inner, outer, dropper)
    }
  }
  for (const [outer, droppers] of inner) graph.allBefore(droppers, drops.get(outer)!)
  const slots = new Map<string, number>()
  for (const [i, { slot }] of footprints.entries()) {
    if (slot === undefined) continue
    const earlier = slots.get(slot)
    if (earlier !== undefined) graph.before(earlier, i)
    slots.set(slot, i)
  }
}

/** Creations and removals of one name keep the order given: run by run of what does the same. */
function inTurn(creators: readonly number[], droppers: readonly number[], graph: Precedence): void {
  if (creators.length === 0) return
  const isDropper = new Set(droppers)
  const positions = [...new Set([...creators, ...droppers])].sort((a, b) => a - b)
  let earlier: number[] = []
  let run: number[] = []
  for (const position of positions) {
    const last = run.at(-1)
    if (last !== undefined && isDropper.has(position) !== isDropper.has(last)) {
      graph.allBefore(earlier, run)
      earlier = run
      run = []
    }
    run.push(position)
  }
  graph.allBefore(earlier, run)
}

/** Foreign keys go before the indexes and tables that they rest on, all rules of a table before its columns. */
function orderByKind(operations: readonly Ddl[], graph: Precedence): void {
  const released: number[] = []
  const resting: number[] = []
  const rules = new Map<string, number[]>()
  const columns = new Map<string, number[]>()
  for (const [position, operation] of operations.entries()) {
    if (operation.type === 'dropIndex' || operation.type === 'dropTable') resting.push(position)
    if (operation.type === 'dropIndex') add(rules, tablePath(operation), position)
    if (operation.type !== 'alterTable') continue
    const { type } = operation.alteration
    if (type === 'dropForeignKey') released.push(position)
    if (type === 'dropForeignKey' || type === 'dropCheck') add(rules, tablePath(operation), position)
    if (type === 'dropColumn') add(columns, tablePath(operation), position)
  }
  graph.allBefore(released, resting)
  for (const [table, dropped] of columns) graph.allBefore(rules.get(table) ?? [], dropped)
}

/** A table that refers to another one is dropped first: the other may not go while it is referred to. */
function orderDrops(operations: readonly Ddl[], existing: readonly ReferringTable[], graph: Precedence): void {
  const dropped = new Map<string, number>()
  for (const [i, operation] of operations.entries()) {
    if (operation.type === 'dropTable') dropped.set(tablePath(operation), i)
  }
  for (const table of existing) {
    const referring = dropped.get(tablePath(table))
    if (referring === undefined) continue
    for (const key of table.foreignKeys) {
      const referred = dropped.get(referencesOf(table, key)[0]!)
      if (referred !== undefined) graph.before(referring, referred)
    }
  }
}

/** Each after its predecessors, otherwise in the order given. */
function sorted(operations: readonly Ddl[], { predecessors, rank }: Precedence): number[] {
  const order: number[] = []
  const state = new Uint8Array(predecessors.length)
  const [isUnder, isDone] = [1, 2]
  for (const first of operations.keys()) {
    const path: { position: number; waiting: number[] }[] = []
    const enter = (position: number): void => {
      if (state[position] === isDone) return
      if (state[position] === isUnder) {
        const from = path.findIndex(step => step.position === position)
        const positions = path.slice(from).map(step => step.position)
        throw circle(
          operations,
          positions.filter(each => each < operations.length),
        )
      }
      state[position] = isUnder
      path.push({ position, waiting: [...predecessors[position]!].sort((a, b) => rank[b]! - rank[a]! || b - a) })
    }
    enter(first)
    while (path.length > 0) {
      const { position, waiting } = path.at(-1)!
      const next = waiting.pop()
      if (next !== undefined) enter(next)
      else {
        state[position] = isDone
        if (position < operations.length) order.push(position)
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
