import { integerRange, narrow } from '../../encoding/index.ts'
import type { UpdateExpr, Updates, Value } from '../../encoding/index.ts'
import type { ClusterSettings } from '../../model/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import type { Table } from '../tables/index.ts'
import { cellOf, isRefusal, mismatch, noColumn } from './cells.ts'

/** How one cell is computed; columns by position. */
type Computation =
  | { readonly type: 'set' | 'coalesce'; readonly value: Value }
  | { readonly type: 'copy' | 'proposed'; readonly from: number }
  | { readonly type: 'add'; readonly by: bigint }
  | { readonly type: 'addProposed'; readonly from: number }

interface Step {
  readonly position: number
  readonly computation: Computation
}

/** Updates that fit their table, to be applied to any number of its rows. */
export class CompiledUpdates {
  readonly #table: Table
  readonly #steps: readonly Step[]

  constructor(table: Table, steps: readonly Step[]) {
    this.#table = table
    this.#steps = steps
  }

  /** The cells after the updates; `proposed` is the row that was to be inserted, where there is one. */
  apply(cells: readonly Value[], proposed: readonly Value[] = []): Value[] | Refusal {
    const next = [...cells]
    for (const { position, computation } of this.#steps) {
      const cell = this.#compute(position, computation, next, proposed)
      if (typeof cell === 'object' && cell !== null && 'code' in cell) return cell
      next[position] = cell
    }
    return next
  }

  #compute(
    position: number,
    computation: Computation,
    cells: readonly Value[],
    proposed: readonly Value[],
  ): Value | Refusal {
    switch (computation.type) {
      case 'set':
        return computation.value
      case 'coalesce':
        return cells[position] === null ? computation.value : cells[position]!
      case 'copy':
        return cells[computation.from]!
      case 'proposed':
        return proposed[computation.from]!
      case 'add':
        return this.#add(position, cells[position]!, computation.by)
      case 'addProposed':
        return this.#add(position, cells[position]!, proposed[computation.from]!)
      default:
        throw new RangeError(`update ${String(computation satisfies never)}`)
    }
  }

  /** Null and anything is Null. */
  #add(position: number, cell: Value, by: Value): Value | Refusal {
    if (cell === null || by === null) return null
    const { name, type } = this.#table.columns[position]!
    const sum = BigInt(cell as number | bigint) + BigInt(by as number | bigint)
    const { min, max } = integerRange(type)!
    if (sum > max) return refuse('overflow', `column ${name} would exceed its type`)
    if (sum < min) return refuse('underflow', `column ${name} would be less than its type allows`)
    return type === 'u256' || type === 'i256' ? sum : narrow(sum)
  }
}

/** Refuses what does not fit the table, primary keys, and outside of conflicts (`mayPropose`) the row to be inserted. */
export function compileUpdates(
  table: Table,
  updates: Updates,
  settings: ClusterSettings,
  mayPropose: boolean,
): CompiledUpdates | Refusal {
  const steps: Step[] = []
  for (const name of Object.keys(updates)) {
    const position = table.position(name)
    if (position === undefined) return noColumn(table, name)
    if (table.keyParts[position]! >= 0) return refuse('invalid_argument', 'a primary key cannot be updated')
    const computation = compile(table, position, updates[name]!, settings, mayPropose)
    if ('code' in computation) return computation
    steps.push({ position, computation })
  }
  return new CompiledUpdates(table, steps)
}

function compile(
  table: Table,
  position: number,
  update: UpdateExpr,
  settings: ClusterSettings,
  mayPropose: boolean,
): Computation | Refusal {
  if ('set' in update || 'coalesce' in update) {
    const found = cellOf(table, position, 'set' in update ? update.set : update.coalesce, settings)
    return isRefusal(found) ? found : { type: 'set' in update ? 'set' : 'coalesce', value: found.cell }
  }
  if ('add' in update || 'subtract' in update) {
    if (!isInteger(table, position)) return mismatch(table, position)
    const by = 'add' in update ? update.add : update.subtract
    if (typeof by === 'number' && !Number.isSafeInteger(by)) return mismatch(table, position)
    return { type: 'add', by: 'add' in update ? BigInt(by) : -BigInt(by) }
  }
  if ('copy' in update) return compileSource(table, position, 'copy', update.copy)
  if (!mayPropose) return refuse('invalid_argument', 'only a conflict has a row that was to be inserted')
  if ('proposed' in update) return compileSource(table, position, 'proposed', update.proposed)
  if (!isInteger(table, position)) return mismatch(table, position)
  const from = table.position(update.addProposed)
  if (from === undefined) return noColumn(table, update.addProposed)
  return isInteger(table, from) ? { type: 'addProposed', from } : mismatch(table, from)
}

function compileSource(table: Table, position: number, type: 'copy' | 'proposed', name: string): Computation | Refusal {
  const from = table.position(name)
  if (from === undefined) return noColumn(table, name)
  return table.columns[from]!.type === table.columns[position]!.type ? { type, from } : mismatch(table, position)
}

function isInteger(table: Table, position: number): boolean {
  return integerRange(table.columns[position]!.type) !== undefined
}
