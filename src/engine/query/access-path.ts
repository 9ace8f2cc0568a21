import type { Expr } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { Table, TableIndex } from '../tables/index.ts'
import type { Conjunct } from './conjuncts.ts'
import { classify, flatten } from './conjuncts.ts'
import { impliesCondition } from './implication.ts'

/** An ordered structure that can be walked: the rows by their primary key, or an index. */
export interface KeySource {
  /** Undefined: the rows themselves. */
  readonly index: TableIndex | undefined
  /** Positions of the columns that its keys have, in order: of an index its cells, then the primary key. */
  readonly columns: readonly number[]
  /** By position in the table: which part of the keys the column is, or -1. */
  readonly partOf: readonly number[]
}

/** A walk of one structure. `parts[i]` are the conjuncts (by number) that bound the i-th part of its keys. */
export interface RangePath {
  readonly kind: 'range'
  readonly source: KeySource
  readonly parts: readonly (readonly number[])[]
  readonly reverse: boolean
  /** Whether the walk gives rows in the order that was wished. */
  readonly isOrdered: boolean
  /** Whether entries of the index have all that the query reads. */
  readonly isCovering: boolean
}

/** Rows whose entries are in all of several indexes, each bounded to one value: by primary key. */
export interface IntersectionPath {
  readonly kind: 'intersection'
  readonly sides: readonly RangePath[]
  readonly isOrdered: boolean
}

/** Rows of any branch of the `or` that conjunct number `conjunct` is; by primary key. */
export interface UnionPath {
  readonly kind: 'union'
  readonly conjunct: number
  readonly branches: readonly RangePath[]
  readonly isOrdered: boolean
}

export type AccessPath = RangePath | IntersectionPath | UnionPath

export interface OrderWish {
  readonly position: number
  readonly isDescending: boolean
}

export interface PathWish {
  readonly table: Table
  readonly conjuncts: readonly Conjunct[]
  readonly caller: string
  /** Columns that the query reads, by position. */
  readonly needed: ReadonlySet<number>
  readonly order: readonly OrderWish[]
  /** How many rows are enough, if the order is right. */
  readonly limit: number | undefined
  readonly useIndex: string | undefined
  /** No merging of several indexes. */
  readonly isWalkOnly: boolean
}

/** Sizes and prices are assumed, not measured: the choice depends on the query and the schema alone, so that all nodes choose alike. */
const TABLE_ROWS = 1_000_000
const ROW_PRICE = 1
const LOOK_UP_PRICE = 3
const SORT_PRICE = 0.5
/** Rows that fit may be rarer than thought: a walk that hopes for them is taken to read this much more, */
const HOPE = 10
/** and one that nothing bounds, this much. */
const HOPE_UNBOUNDED = 1_000

interface Candidate {
  readonly path: AccessPath
  readonly cost: number
}

/** The way to the rows that costs least. @throws QuorateError `index_not_found`, `invalid_query` for `useIndex` */
export function choosePath(wish: PathWish): AccessPath {
  const sources = usableSources(wish)
  const ranges = sources.map(source => rangeCandidate(wish, source)).filter(candidate => candidate !== undefined)
  if (wish.useIndex !== undefined) {
    const [forced] = ranges
    if (forced === undefined)
      throw new QuorateError('invalid_query', `index ${wish.useIndex} does not serve this query`)
    return forced.path
  }
  const merged = wish.isWalkOnly ? [] : [...intersections(wish, ranges), ...unions(wish, sources)]
  const candidates: Candidate[] = [...ranges, ...merged]
  return candidates.reduce((best, candidate) => (candidate.cost < best.cost ? candidate : best)).path
}

function usableSources({ table, conjuncts, caller, useIndex }: PathWish): KeySource[] {
  const exprs = conjuncts.map(({ expr }) => expr)
  const isUsable = (index: TableIndex): boolean =>
    index.isReady && (index.where === undefined || impliesCondition(exprs, index.where, table, caller))
  if (useIndex !== undefined) {
    const index = table.parts.indexes.find(({ name, isReady }) => name === useIndex && isReady)
    if (index === undefined)
      throw new QuorateError('index_not_found', `${table.name} has no index ${useIndex} that is ready`)
    return isUsable(index) ? [sourceOf(table, index)] : []
  }
  return [rowsOf(table), ...table.parts.indexes.filter(isUsable).map(index => sourceOf(table, index))]
}

export function rowsOf(table: Table): KeySource {
  return { index: undefined, columns: table.keyPositions, partOf: table.keyParts }
}

function sourceOf(table: Table, index: TableIndex): KeySource {
  const columns = [...index.columns.map(id => table.positionOfId(id)!), ...table.keyPositions]
  return { index, columns, partOf: table.columns.map((_, position) => columns.indexOf(position)) }
}

/** Undefined for an index that has no use here. */
function rangeCandidate(wish: PathWish, source: KeySource): Candidate | undefined {
  const { table, conjuncts, needed, order, limit } = wish
  const parts = boundParts(source, conjuncts)
  if (
    source.index?.kind === 'hash' &&
    parts.filter(part => isPoint(part, conjuncts)).length < source.index.columns.length
  ) {
    return undefined
  }
  const direction = source.index?.kind === 'hash' && order.length > 0 ? undefined : directionFor(wish, source)
  const isCovering = source.index !== undefined && [...needed].every(position => source.columns.includes(position))
  const share = shareOf(table, source, parts, conjuncts)
  const rows = TABLE_ROWS * share
  let read = rows
  if (direction !== undefined && limit !== undefined) {
    const others = shareOfOthers(parts, conjuncts)
    const hope = parts.length > 0 ? HOPE : HOPE_UNBOUNDED
    read = Math.min(rows, others === 1 ? limit : (limit / others) * hope)
  }
  const price = source.index === undefined || isCovering ? ROW_PRICE : LOOK_UP_PRICE
  const cost = 1 + read * price + (direction === undefined ? rows * shareOfOthers(parts, conjuncts) * SORT_PRICE : 0)
  const path: RangePath = {
    kind: 'range',
    source,
    parts,
    reverse: direction === 'reverse',
    isOrdered: direction !== undefined,
    isCovering,
  }
  return { path, cost }
}

/** Which conjuncts bound the leading parts of the keys: points of as many as possible, then at most one stretch. */
function boundParts({ columns, index }: KeySource, conjuncts: readonly Conjunct[]): number[][] {
  const parts: number[][] = []
  const seen = new Set<number>()
  for (const position of columns) {
    if (seen.has(position)) break
    seen.add(position)
    const onColumn: number[] = []
    conjuncts.forEach((conjunct, i) => {
      if (conjunct.position === position) onColumn.push(i)
    })
    const first = (use: Conjunct['use']): number | undefined => onColumn.find(i => conjuncts[i]!.use === use)
    const pointed = first('point') ?? first('points')
    if (pointed !== undefined) {
      parts.push([pointed])
      continue
    }
    if (index?.kind === 'hash') break
    const prefix = first('prefix')
    if (prefix !== undefined) parts.push([prefix])
    else if (onColumn.length > 0) parts.push(onColumn)
    break
  }
  return parts
}

function isPoint(part: readonly number[], conjuncts: readonly Conjunct[]): boolean {
  const { use } = conjuncts[part[0]!]!
  return use === 'point' || use === 'points'
}

/** The direction in which the walk gives the wished order; undefined if neither does. */
function directionFor(
  { table, conjuncts, order }: PathWish,
  { columns }: KeySource,
): 'forward' | 'reverse' | undefined {
  const fixed = new Set(conjuncts.filter(({ use }) => use === 'point').map(({ position }) => position))
  const wishes = order.filter(
    ({ position }, i) => !fixed.has(position) && order.findIndex(item => item.position === position) === i,
  )
  if (wishes.length === 0) return 'forward'
  const isDescending = wishes[0]!.isDescending
  const given = new Set<number>()
  let next = 0
  for (const position of columns) {
    if (next === wishes.length || table.keyPositions.every(key => given.has(key) || fixed.has(key))) break
    const isGiven = given.has(position) || fixed.has(position)
    given.add(position)
    if (isGiven) continue
    const wish = wishes[next]!
    if (wish.position !== position || wish.isDescending !== isDescending) return undefined
    next++
  }
  // Rows have one primary key: once it is in order, there is nothing left to order.
  const isWhole = next === wishes.length || table.keyPositions.every(key => given.has(key) || fixed.has(key))
  return isWhole ? (isDescending ? 'reverse' : 'forward') : undefined
}

/** The share of the table that the bounds of a walk are taken to leave. */
function shareOf(
  table: Table,
  { index, columns }: KeySource,
  parts: readonly (readonly number[])[],
  conjuncts: readonly Conjunct[],
): number {
  const uniqueParts =
    index === undefined ? table.keyPositions.length : index.isUnique ? index.columns.length : columns.length
  const points = parts.filter(part => isPoint(part, conjuncts))
  if (points.length >= uniqueParts)
    return points.every(part => conjuncts[part[0]!]!.use === 'point') ? 1 / TABLE_ROWS : 1e-5
  let share = 1
  parts.forEach((part, i) => {
    const single = shareOfConjuncts(part.map(conjunct => conjuncts[conjunct]!))
    // Columns of one index hang together: each further one leaves less of a difference.
    share *= i === 0 ? single : Math.sqrt(single)
  })
  return Math.max(share, 1 / TABLE_ROWS)
}

function shareOfConjuncts(conjuncts: readonly Conjunct[]): number {
  const uses = new Set(conjuncts.map(({ use }) => use))
  if (uses.has('point')) return 0.01
  if (uses.has('points')) return 0.03
  if (uses.has('prefix')) return 0.02
  if (uses.has('range') || (uses.has('low') && uses.has('high'))) return 0.05
  if (uses.has('low') || uses.has('high')) return 0.3
  if (uses.has('some')) return 0.9
  return conjuncts.reduce((share, { expr }) => share * shareOfCondition(expr), 1)
}

/** What a condition leaves that no index serves. */
export function shareOfCondition(expr: Expr): number {
  switch (expr.op) {
    case 'and':
      return expr.args.reduce((share, arg) => share * shareOfCondition(arg), 1)
    case 'or':
      return Math.min(
        1,
        expr.args.reduce((share, arg) => share + shareOfCondition(arg), 0),
      )
    case 'eq':
    case 'isNull':
      return 0.01
    case 'in':
      return 0.03
    case 'between':
    case 'like':
      return 0.05
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return 0.3
    case 'ne':
    case 'isNotNull':
      return 0.9
    case 'not':
      return 0.5
    default:
      throw new RangeError(`condition ${String(expr satisfies never)}`)
  }
}

/** What the conjuncts leave that do not bound the walk. */
function shareOfOthers(parts: readonly (readonly number[])[], conjuncts: readonly Conjunct[]): number {
  const bounding = new Set(parts.flat())
  return conjuncts.reduce((share, conjunct, i) => (bounding.has(i) ? share : share * shareOfConjuncts([conjunct])), 1)
}

/** The share of the table's rows that a path is taken to give. */
export function shareOfPath(table: Table, path: AccessPath, conjuncts: readonly Conjunct[]): number {
  const parts = path.kind === 'range' ? path.parts : []
  const bounded = path.kind === 'range' ? shareOf(table, path.source, parts, conjuncts) : 1
  return bounded * shareOfOthers(parts, conjuncts)
}

/** Two indexes, each bounded to one value: their entries come in the order of the primary key and can be merged. */
function intersections(wish: PathWish, ranges: readonly Candidate[]): Candidate[] {
  const { conjuncts, table } = wish
  const sides = ranges
    .map(({ path }) => path as RangePath)
    .filter(({ source: { index }, parts }) => {
      if (index === undefined || index.isUnique || parts.length < index.columns.length) return false
      return parts.slice(0, index.columns.length).every(([conjunct]) => conjuncts[conjunct!]!.use === 'point')
    })
    .map(path => ({ ...path, parts: path.parts.slice(0, path.source.index!.columns.length), reverse: false }))
    .map(path => ({ path, share: shareOf(table, path.source, path.parts, conjuncts) }))
    .sort((a, b) => a.share - b.share)
  const first = sides[0]
  const second = sides.find(({ path }) =>
    path.parts.flat().every(i => first !== undefined && !first.path.parts.flat().includes(i)),
  )
  if (first === undefined || second === undefined) return []
  const isOrdered = directionFor(wish, rowsOf(table)) === 'forward'
  const found = TABLE_ROWS * first.share * second.share
  const cost = 1 + 2 * TABLE_ROWS * first.share * ROW_PRICE + found * (LOOK_UP_PRICE + (isOrdered ? 0 : SORT_PRICE))
  return [{ path: { kind: 'intersection', sides: [first.path, second.path], isOrdered }, cost }]
}

/** An `or` whose every branch some index bounds. */
function unions(wish: PathWish, sources: readonly KeySource[]): Candidate[] {
  const candidates: Candidate[] = []
  wish.conjuncts.forEach(({ expr, use }, conjunct) => {
    if (expr.op !== 'or' || use !== 'none' || expr.args.length === 0) return
    const branches = expr.args.map(arg => bestBranch(wish, sources, branchConjuncts(arg, wish.table)))
    if (branches.some(branch => branch === undefined)) return
    const rows = branches.reduce((sum, branch) => sum + branch!.rows, 0)
    const isOrdered = directionFor(wish, rowsOf(wish.table)) === 'forward'
    const cost = 1 + rows * (ROW_PRICE + LOOK_UP_PRICE + (isOrdered ? 0 : SORT_PRICE))
    candidates.push({
      path: { kind: 'union', conjunct, branches: branches.map(branch => branch!.path), isOrdered },
      cost,
    })
  })
  return candidates
}

/** The conjuncts of one branch of an `or`, numbered on their own. */
export function branchConjuncts(arg: Conjunct['expr'], table: Table): Conjunct[] {
  return flatten([arg]).map(expr => classify(expr, table, name => table.position(name)))
}

function bestBranch(
  { table, conjuncts: all, caller }: PathWish,
  sources: readonly KeySource[],
  conjuncts: readonly Conjunct[],
): { path: RangePath; rows: number } | undefined {
  let best: { path: RangePath; rows: number } | undefined
  const exprs = [...all, ...conjuncts].map(({ expr }) => expr)
  for (const source of sources) {
    const { index } = source
    if (index?.where !== undefined && !impliesCondition(exprs, index.where, table, caller)) continue
    const parts = boundParts(source, conjuncts)
    const points = parts.filter(part => isPoint(part, conjuncts)).length
    if (parts.length === 0 || (index?.kind === 'hash' && points < index.columns.length)) continue
    const rows = TABLE_ROWS * shareOf(table, source, parts, conjuncts)
    if (best !== undefined && best.rows <= rows) continue
    best = { path: { kind: 'range', source, parts, reverse: false, isOrdered: false, isCovering: false }, rows }
  }
  return best
}
