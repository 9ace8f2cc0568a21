/** Tables that change with the programs that use them: differences of definitions, migrations with their records, backfills. */
export { backfillTable } from './backfill.ts'
export type { BackfillOptions, BackfillReport } from './backfill.ts'
export { tableDifference } from './difference.ts'
export type { DifferenceOptions } from './difference.ts'
export { tableMigration } from './migration.ts'
export type { Migration, MigrationStep } from './migration.ts'
export { appliedMigrations, rollbackMigrations, runMigrations } from './runner.ts'
export type { AppliedMigration, MigrationNamespace, MigrationReport } from './runner.ts'
