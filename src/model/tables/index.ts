/** Tables as programs declare them: columns, definitions, conditions, updates and the builder of queries. Nothing here reads or writes. */
export * from './cells.ts'
export * from './columns.ts'
export * from './conditions.ts'
export * from './definition.ts'
export * from './query-builder.ts'
export * from './updates.ts'
