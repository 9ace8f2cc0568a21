import { bytesToHex, MUTATION_TYPES, sha256, utf8Bytes } from '../../encoding/index.ts'
import type { Ddl, Mutation } from '../../encoding/index.ts'
import { invalid } from '../facade/arguments.ts'
import { requireName } from '../names.ts'
import { createTable, targetOf } from '../tables/index.ts'
import type { TableDefinition } from '../tables/index.ts'
import { meaning, tableDifference, type DifferenceOptions } from './difference.ts'

/** A catalog change or a write of rows and keys. */
export type MigrationStep = Ddl | Mutation

/** A step in the life of a namespace; applied once, as one transaction. */
export interface Migration {
  /** From 1, in the order of application; numbers may be left out. */
  version: number
  name: string
  up: readonly MigrationStep[]
  /** Undoes `up`; without it the migration cannot be rolled back. */
  down?: readonly MigrationStep[]
}

/**
 * The migration from one definition of a table to the next, with its way back; without `from` it creates the table.
 * @throws QuorateError `invalid_argument` where no alteration leads from one to the other
 */
export function tableMigration(
  version: number,
  name: string,
  definitions: { from?: TableDefinition; to: TableDefinition },
  { renamed = {} }: DifferenceOptions = {},
): Migration {
  const { from, to } = definitions
  const target = targetOf(to)
  if (from === undefined) return { version, name, up: [createTable(to)], down: [{ type: 'dropTable', ...target }] }
  if (meaning(targetOf(from)) !== meaning(target)) throw invalid('the two definitions are of different tables')
  const back = Object.fromEntries(Object.entries(renamed).map(([old, now]) => [now, old]))
  return {
    version,
    name,
    up: tableDifference(target, from.data, to.data, { renamed }),
    down: tableDifference(target, to.data, from.data, { renamed: back }),
  }
}

/** @throws QuorateError `invalid_argument`, `invalid_name` */
export function requireMigrations(migrations: readonly Migration[]): void {
  let last = 0
  for (const { version, name, up } of migrations) {
    requireName('migration', name)
    if (!Number.isSafeInteger(version) || version <= last) {
      throw invalid(`versions of migrations are whole numbers that rise from 1; ${String(version)} follows ${last}`)
    }
    if (up.length === 0) throw invalid(`the migration ${version} does nothing`)
    last = version
  }
}

/** SHA-256, hexadecimal, over what a migration is called and does: whoever has run another one under its number finds out. */
export function migrationChecksum({ version, name, up }: Migration): string {
  return bytesToHex(sha256(utf8Bytes(meaning({ version, name, up }))))
}

export function stepMutation(step: MigrationStep): Mutation {
  return isMutation(step) ? step : { type: 'ddl', operation: step }
}

function isMutation(step: MigrationStep): step is Mutation {
  return (MUTATION_TYPES as readonly string[]).includes(step.type)
}
