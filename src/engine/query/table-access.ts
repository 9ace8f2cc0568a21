import type { ColumnType, Expr, Value } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import { compileCondition, conditionColumns, operandsOf } from '../conditions/index.ts'
import type { Condition } from '../conditions/index.ts'
import { compareBytes } from '../../encoding/index.ts'
import { indexPrefix, rowsPrefix } from '../tables/index.ts'
import type { Table } from '../tables/index.ts'
import { branchConjuncts, shareOfPath } from './access-path.ts'
import type { AccessPath, IntersectionPath, RangePath, UnionPath } from './access-path.ts'
import { bandOf, comparisonBand, intersect } from './bands.ts'
import type { Band } from './bands.ts'
import { keyOperand } from './conjuncts.ts'
import type { Conjunct } from './conjuncts.ts'
import { keyPoints, keyRanges, RANGES_MAX, rangesBehind } from './key-ranges.ts'
import { compileAll, valid } from './names.ts'
import type { BoundTable } from './names.ts'
import { Intersection, Union } from './set-sources.ts'
import type { EntryBand } from './set-sources.ts'
import { Sight } from './sight.ts'
import { IndexRanges, RowLookUp, RowPoints, RowRanges } from './sources.ts'
import type { IndexFilters, TableSource } from './sources.ts'
import type { Work } from './work.ts'

/** Gives the value of a conjunct that is known only while the query runs: a key on the left of a join. */
export type RunningValues = (conjunct: number) => Value

interface BoundParts {
  readonly bands: readonly Band[]
  /** Conjuncts of which the bands say everything. */
  readonly said: ReadonlySet<number>
}

/** The way to the rows of one table, with its literals: opened once a run, or once for each row that it is joined to. */
export class TableAccess {
  readonly path: AccessPath
  readonly #table: Table
  readonly #conjuncts: readonly Conjunct[]
  readonly #caller: string
  /** Conjuncts whose values come while the query runs; the joins see to it that they hold. */
  readonly #running: ReadonlySet<number>
  readonly #policy: Expr | undefined
  #filters: IndexFilters | undefined
  #lastLookUp: { readonly work: Work; readonly lookUp: RowLookUp } | undefined
  /** Of the columns of a source's keys. */
  readonly #types = new Map<readonly number[], readonly ColumnType[]>()

  /** The conjuncts have the table's read policy among them already. */
  constructor(
    { table, policy }: Pick<BoundTable, 'table' | 'policy'>,
    conjuncts: readonly Conjunct[],
    path: AccessPath,
    caller: string,
    running: ReadonlySet<number> = NONE,
  ) {
    this.path = path
    this.#table = table
    this.#policy = policy
    this.#conjuncts = conjuncts
    this.#caller = caller
    this.#running = running
  }

  /** `behind`: the record of an earlier walk after which to go on. */
  open(work: Work, behind?: Uint8Array, running?: RunningValues): TableSource {
    switch (this.path.kind) {
      case 'range':
        return this.#openRange(work, this.path, behind, running)
      case 'intersection':
        return this.#openIntersection(work, this.path, behind)
      case 'union':
        return this.#openUnion(work, this.path, behind)
      default:
        throw new RangeError(`path ${String(this.path satisfies never)}`)
    }
  }

  /** Whether something bounds how many records are looked at. */
  get isBounded(): boolean {
    return this.path.kind !== 'range' || this.path.parts.length > 0
  }

  /** Whether rows are judged beyond their place in the walk. */
  get isFiltered(): boolean {
    if (this.path.kind === 'union') return true
    const sides = this.path.kind === 'range' ? [this.path] : this.path.sides
    const bounding = new Set(sides.flatMap(({ parts }) => parts.flat()).filter(i => this.#conjuncts[i]!.isExact))
    return this.#conjuncts.some((_, i) => !bounding.has(i))
  }

  /** The share of the table's rows that it is taken to give; of a look-up, for each row that it is joined to. */
  get share(): number {
    return shareOfPath(this.#table, this.path, this.#conjuncts)
  }

  /** Rows that it gives at most if the table has `tableRows`: as many as a unique key is compared with values, if one is. */
  mostRows(tableRows: number): number {
    if (this.path.kind !== 'range') return tableRows
    const { source, parts } = this.path
    const { index } = source
    const unique =
      index === undefined ? this.#table.keyPositions.length : index.isUnique ? index.columns.length : Infinity
    if (parts.length < unique) return tableRows
    let most = 1
    for (const [conjunct] of parts.slice(0, unique)) {
      const { expr, use } = this.#conjuncts[conjunct!]!
      // Any number of rows have Null in a unique column.
      if (!isPoint(this.#conjuncts[conjunct!]!) || expr.op === 'isNull') return tableRows
      if (use === 'points' && expr.op === 'in') most *= expr.values.length
    }
    return Math.min(most, tableRows)
  }

  get isPoint(): boolean {
    if (this.path.kind !== 'range' || this.path.source.index !== undefined) return false
    const points = this.path.parts.filter(([i]) => isPoint(this.#conjuncts[i!]!))
    return points.length === this.#table.keyPositions.length
  }

  #openRange(work: Work, path: RangePath, behind: Uint8Array | undefined, running?: RunningValues): TableSource {
    const { index, columns } = path.source
    const { bands, said } = this.#bands(path, this.#conjuncts, running)
    const types = this.#typesOf(columns)
    const filters = this.#filtersFor(path, said)
    if (index === undefined && bands.length === columns.length && bands.every(({ kind }) => kind === 'points')) {
      const keys = keyPoints(rowsPrefix(this.#table.id), types, bands).filter(
        key => behind === undefined || (path.reverse ? compareBytes(key, behind) < 0 : compareBytes(key, behind) > 0),
      )
      return new RowPoints(work, this.#lookUp(work), keys, path.reverse, filters.onRow)
    }
    const sight = this.#sight(work)
    const space = index === undefined ? rowsPrefix(this.#table.id) : indexPrefix(index.id)
    const all = keyRanges(space, types, bands)
    const ranges = behind === undefined ? all : rangesBehind(all, behind, path.reverse)
    const { reverse, isCovering } = path
    if (index === undefined) {
      return new RowRanges(work, this.#table, ranges, { reverse, filter: filters.onRow, sight })
    }
    const lookUp = isCovering ? undefined : this.#lookUp(work)
    return new IndexRanges(work, this.#table, path.source, ranges, { reverse, lookUp, filters, sight })
  }

  #openIntersection(work: Work, path: IntersectionPath, behind: Uint8Array | undefined): TableSource {
    const said = new Set<number>()
    const sides: EntryBand[] = []
    for (const side of path.sides) {
      const bound = this.#bands(side, this.#conjuncts, undefined)
      for (const conjunct of bound.said) said.add(conjunct)
      const index = side.source.index!
      const types = this.#typesOf(side.source.columns)
      const [prefix] = keyPoints(indexPrefix(index.id), types, bound.bands)
      const [range] = keyRanges(indexPrefix(index.id), types, bound.bands)
      if (prefix === undefined || range === undefined)
        return new RowPoints(work, this.#lookUp(work), [], false, undefined)
      sides.push({ index, prefix, range })
    }
    const options = { lookUp: this.#lookUp(work), filter: this.#rest(said), behind, sight: this.#sight(work) }
    return new Intersection(work, this.#table, sides, options)
  }

  #openUnion(work: Work, path: UnionPath, behind: Uint8Array | undefined): TableSource {
    const { expr } = this.#conjuncts[path.conjunct]!
    const args = expr.op === 'or' ? expr.args : []
    const branches = path.branches.map((branch, i) => {
      const conjuncts = branchConjuncts(args[i]!, this.#table)
      const bound = { table: this.#table, policy: this.#policy }
      return new TableAccess(bound, conjuncts, branch, this.#caller).#openKeys(work, branch)
    })
    return new Union(work, branches, { lookUp: this.#lookUp(work), filter: this.#rest(NONE), behind })
  }

  /** The keys of the rows within the bounds; nothing else is looked at. */
  #openKeys(work: Work, path: RangePath): TableSource {
    const { bands } = this.#bands(path, this.#conjuncts, undefined)
    const { index, columns } = path.source
    const types = this.#typesOf(columns)
    const sight = this.#sight(work)
    if (index === undefined) {
      const ranges = keyRanges(rowsPrefix(this.#table.id), types, bands)
      return new RowRanges(work, this.#table, ranges, { reverse: false, filter: undefined, sight })
    }
    const filters = { onEntry: undefined, onRow: undefined }
    const ranges = keyRanges(indexPrefix(index.id), types, bands)
    return new IndexRanges(work, this.#table, path.source, ranges, {
      reverse: false,
      lookUp: undefined,
      filters,
      sight,
    })
  }

  /** One serves all rows that a run joins: of its sources only one is open at a time. */
  #lookUp(work: Work): RowLookUp {
    if (this.#lastLookUp?.work === work) return this.#lastLookUp.lookUp
    const lookUp = this.#newLookUp(work)
    this.#lastLookUp = { work, lookUp }
    return lookUp
  }

  #newLookUp(work: Work): RowLookUp {
    return new RowLookUp(work, this.#table, this.#policyOf(work))
  }

  /** Only what is noted for a read set needs it: the filters hide rows from the result. */
  #sight(work: Work): Sight | undefined {
    const policy = this.#policyOf(work)
    return policy === undefined ? undefined : new Sight(work.reader, this.#table, policy)
  }

  #policyOf(work: Work): Condition | undefined {
    if (work.capture === undefined || this.#policy === undefined) return undefined
    return valid(compileCondition(this.#policy, this.#table, this.#caller))
  }

  #typesOf(columns: readonly number[]): readonly ColumnType[] {
    const known = this.#types.get(columns)
    if (known !== undefined) return known
    const types = columns.map(position => this.#typeOf(position))
    this.#types.set(columns, types)
    return types
  }

  #typeOf(position: number): ColumnType {
    return this.#table.columns[position]!.type
  }

  #bands(path: RangePath, conjuncts: readonly Conjunct[], running: RunningValues | undefined): BoundParts {
    const bands: Band[] = []
    const said = new Set<number>()
    let count = 1
    for (let part = 0; part < path.parts.length; part++) {
      const type = this.#typeOf(path.source.columns[part]!)
      let band: Band | undefined
      for (const i of path.parts[part]!) {
        const own = this.#running.has(i) ? comparisonBand(type, 'eq', running!(i)) : this.#bandOf(conjuncts[i]!, type)
        band = band === undefined ? own : intersect(band, own)
      }
      if (band!.kind === 'points') {
        // Without a value the count stays: which bands there are may not hang on the values of one joined row.
        count *= Math.max(1, band!.values.length)
        if (count > RANGES_MAX) break
      }
      bands.push(band!)
      for (const i of path.parts[part]!) if (conjuncts[i]!.isExact) said.add(i)
    }
    return { bands, said }
  }

  #bandOf({ expr, position }: Conjunct, type: ColumnType): Band {
    const operands = operandsOf(expr).map(operand => {
      const value = keyOperand(this.#table, position, operand, this.#caller)
      if (value === undefined) {
        throw new QuorateError(
          'type_mismatch',
          `column ${this.#table.columns[position]!.name} does not compare with it`,
        )
      }
      return value
    })
    return bandOf(type, expr, i => operands[i]!)
  }

  #filtersFor(path: RangePath, said: ReadonlySet<number>): IndexFilters {
    // What is said depends on the literals alone, and these stay.
    this.#filters ??=
      path.source.index === undefined ? { onEntry: undefined, onRow: this.#rest(said) } : this.#split(path, said)
    return this.#filters
  }

  /** Conditions on what an entry has are judged before its row is looked up. */
  #split({ source, isCovering }: RangePath, said: ReadonlySet<number>): IndexFilters {
    const onEntry: Conjunct[] = []
    const onRow: Conjunct[] = []
    this.#conjuncts.forEach((conjunct, i) => {
      if (said.has(i) || this.#running.has(i)) return
      const isOfEntry = isCovering || this.#readsOnly(conjunct, source.columns)
      if (isOfEntry) onEntry.push(conjunct)
      else onRow.push(conjunct)
    })
    return { onEntry: this.#compile(onEntry), onRow: this.#compile(onRow) }
  }

  #readsOnly({ expr }: Conjunct, positions: readonly number[]): boolean {
    for (const name of conditionColumns(expr)) if (!positions.includes(this.#table.position(name)!)) return false
    return true
  }

  /** All conditions but those said. */
  #rest(said: ReadonlySet<number>): Condition | undefined {
    return this.#compile(this.#conjuncts.filter((_, i) => !said.has(i) && !this.#running.has(i)))
  }

  #compile(conjuncts: readonly Conjunct[]): Condition | undefined {
    return compileAll(
      conjuncts.map(({ expr }) => expr),
      this.#table,
      this.#caller,
    )
  }
}

const NONE: ReadonlySet<number> = new Set()

function isPoint({ use }: Conjunct): boolean {
  return use === 'point' || use === 'points'
}
