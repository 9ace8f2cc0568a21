/** `quorate`: what all deployments share; `quorate/engine`, `quorate/raft` and `quorate/testing` have the rest. */
export * from '../model/index.ts'
export { counterShardKey, DEFAULT_SCOPE } from '../encoding/index.ts'
export type {
  Assertion,
  ColumnDefinition,
  ColumnType,
  Ddl,
  Expr,
  ForeignKeyDefinition,
  IndexDefinition,
  Mutation,
  MutationResult,
  OnConflict,
  Operand,
  Permission,
  ReadSet,
  Row,
  ScalarExpr,
  TableAlteration,
  TableDefinitionData,
  TransactionEnvelope,
  UpdateExpr,
  Value,
} from '../encoding/index.ts'
