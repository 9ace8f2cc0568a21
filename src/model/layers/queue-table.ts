import {
  createTable,
  defineTable,
  integer,
  json,
  text,
  timestamp,
  u64,
  type TableDefinition,
  type TableShape,
} from '../tables/index.ts'
import type { Ddl } from '../../encoding/index.ts'

/** `scheduled` waits for its time, `ready` for a worker, `dead` for somebody who looks at it. */
export type TaskState = 'scheduled' | 'ready' | 'claimed' | 'dead'

/** A task as its table has it. */
export interface TaskRow {
  id: number
  state: TaskState
  /** Ready tasks are served by it, the smallest first: the priority with the other sign. */
  rank: number
  enqueuedAt: number
  dueAt: number
  leaseUntil: number | null
  owner: string | null
  token: number
  attempts: number
  attemptsMax: number
  backoffBaseMs: number
  backoffMaxMs: number
  payload: unknown
  progress: unknown
  error: string | null
  key: string | null
}

export interface TaskShape extends TableShape {
  readonly row: TaskRow
  readonly newRow: Pick<TaskRow, 'id' | 'payload'> & Partial<TaskRow>
  readonly key: number | { id: number }
  readonly keyColumns: 'id'
}

/** The table of a queue: `queue_NAME`. @throws QuorateError `invalid_name` */
export function queueTable(project: string, scope: string, name: string): TableDefinition<TaskShape> {
  const definition = defineTable(`queue_${name}`, {
    project,
    scope,
    columns: {
      id: u64().primaryKey(),
      state: text<TaskState>().default('ready'),
      rank: integer().default(0),
      enqueuedAt: timestamp().defaultNow(),
      dueAt: timestamp().default(0),
      leaseUntil: timestamp().nullable(),
      owner: text().nullable(),
      token: u64().default(0),
      attempts: u64().default(0),
      attemptsMax: u64().default(5),
      backoffBaseMs: u64().default(1_000),
      backoffMaxMs: u64().default(60_000),
      payload: json(),
      progress: json().nullable(),
      error: text().nullable(),
      key: text().nullable(),
    },
    indexes: [
      { name: 'ready', columns: ['state', 'rank', 'enqueuedAt', 'id'] },
      { name: 'due', columns: ['state', 'dueAt'] },
      { name: 'leased', columns: ['state', 'leaseUntil'] },
      { name: 'key', columns: ['key'], unique: true },
    ],
  })
  return definition
}

export function queueDdl(definition: TableDefinition<TaskShape>): Ddl {
  return createTable(definition, { ifNotExists: true })
}
