/** Conditions and computed values on rows, compiled: what apply and queries share. */
export { CellList } from './cells.ts'
export type { Cells, ColumnNames } from './cells.ts'
export {
  conditionColumns,
  forEachComparison,
  isReference,
  mapColumns,
  operandsOf,
  renameColumn,
  usesCaller,
} from './columns.ts'
export type { Comparison } from './columns.ts'
export { classOf, equalValues, literalOf } from './comparable.ts'
export type { ValueClass } from './comparable.ts'
export { comparisonOf, compileCondition, CONDITION_TERMS_MAX } from './condition.ts'
export type { Condition } from './condition.ts'
export { InvalidExpression } from './invalid-expression.ts'
export { LikePattern } from './like.ts'
export { compileScalar } from './scalar.ts'
export type { CompiledScalar, Scalar } from './scalar.ts'
