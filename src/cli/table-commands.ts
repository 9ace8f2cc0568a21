import type { Command } from 'commander'
import { ddlFromJson, MalformedData, transactionFromJson } from '../encoding/index.ts'
import type { Ddl, TableTarget, TransactionEnvelope, Value } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import type { TableDescription } from '../model/index.ts'
import { cellText, keyCells } from './cell-text.ts'
import type { CommandContext, Session, WithSession } from './context.ts'
import { positiveInteger } from './context.ts'
import { dataArgument } from './data-argument.ts'
import type { Output, PrintedCell } from './output.ts'

/** `quorate table`: definitions and rows of tables. */
export function addTableCommands(program: Command, context: CommandContext, withSession: WithSession): void {
  const table = program.command('table').description('create, change and read tables')
  table
    .command('list <project> [scope]')
    .description('the tables of a scope (default app)')
    .action(withSession(listTables))
  table
    .command('describe <project> <scope> <table>')
    .description('columns, indexes and rules of a table')
    .action(
      withSession(async (session, command) => {
        const description = await describe(session, targetOf(command))
        session.output.result(description, () => printDescription(session.output, description))
      }),
    )
  addDefinitionCommands(table, context, withSession)
  addRowCommands(table, context, withSession)
}

async function listTables(session: Session, command: Command): Promise<void> {
  const [project = '', scope = 'app'] = command.args
  const tables = await (await session.database()).tables(project, { scope })
  session.output.result(tables, () =>
    session.output.table(
      tables.map(({ name, rows, definition, indexes }) => ({
        table: name,
        rows: rows ?? '',
        columns: definition.columns.length,
        key: definition.primaryKey.join(', '),
        indexes: indexes.length,
      })),
    ),
  )
}

function addDefinitionCommands(table: Command, context: CommandContext, withSession: WithSession): void {
  table
    .command('create <project> <scope> <table> <definition>')
    .description(
      'the definition (columns, primaryKey, indexes, checks, foreignKeys) is JSON, a file of JSON or YAML, or -',
    )
    .option('--if-not-exists', 'an existing one is fine')
    .action(
      withSession(async (session, command) => {
        const definition = objectOf(await dataArgument(context, command.args[3] ?? ''), 'a definition')
        const ifNotExists = command.opts<{ ifNotExists?: boolean }>().ifNotExists === true
        await runDdl(session, command, [{ ...definition, type: 'createTable', ifNotExists }], 'created', 'exists')
      }),
    )
  table
    .command('drop <project> <scope> <table>')
    .description('drops the table with all its rows')
    .option('--if-exists', 'a missing one is fine')
    .action(
      withSession(async (session, command) => {
        const ifExists = command.opts<{ ifExists?: boolean }>().ifExists === true
        await runDdl(session, command, [{ type: 'dropTable', ifExists }], 'dropped', 'does not exist')
      }),
    )
  table
    .command('alter <project> <scope> <table> <change>')
    .description(
      'a change or a list of them, all or none: addColumn, dropColumn, renameColumn, setNullable, setDefault, addCheck, dropCheck, ' +
        'addForeignKey, dropForeignKey, createIndex, dropIndex, renameTable, setReadPolicy, clearReadPolicy',
    )
    .action(
      withSession(async (session, command) => {
        const data = await dataArgument(context, command.args[3] ?? '')
        const changes = (Array.isArray(data) ? data : [data]).map((change: unknown) => objectOf(change, 'a change'))
        await runDdl(session, command, changes.map(operationOf), 'changed', 'is as it was')
      }),
    )
}

const OPERATIONS = new Set(['createIndex', 'dropIndex', 'renameTable', 'setReadPolicy', 'clearReadPolicy'])

/** Alterations are written without the operation around them. */
function operationOf(change: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { type } = change
  return typeof type === 'string' && OPERATIONS.has(type) ? change : { type: 'alterTable', alteration: change }
}

async function runDdl(
  session: Session,
  command: Command,
  operations: readonly object[],
  done: string,
  undone: string,
): Promise<void> {
  const target = targetOf(command)
  const checked: Ddl[] = fromData(() => ddlFromJson(operations.map(operation => ({ ...operation, ...target }))))
  const { seq, token, changed } = await (await session.database()).ddl(checked)
  const isChanged = changed.includes(true)
  session.output.result({ ...target, changed, seq, token }, () =>
    session.output.line(`table ${target.table} ${isChanged ? done : undone}`),
  )
}

function addRowCommands(table: Command, context: CommandContext, withSession: WithSession): void {
  table
    .command('get <project> <scope> <table> <key...>')
    .description('one row; the key is its cells in order, or column=cell')
    .action(
      withSession(async (session, command) => {
        const target = targetOf(command)
        const { definition } = await describe(session, target)
        const words = command.args.slice(3)
        const entry = await (await session.database()).table(target).entry(keyCells(definition, words))
        if (entry === undefined) throw new QuorateError('not_found', `there is no row ${words.join(' ')}`)
        session.output.result(entry, () => {
          for (const [name, cell] of Object.entries(entry.row)) session.output.line(`${name}\t${cellText(cell)}`)
        })
      }),
    )
  table
    .command('insert <project> <scope> <table> <rows>')
    .description('a row or a list of them, all or none: JSON, a file of JSON or YAML, or -')
    .option('--upsert', 'replaces rows that have the same keys')
    .action(
      withSession(async (session, command) => {
        const data = await dataArgument(context, command.args[3] ?? '')
        const type = command.opts<{ upsert?: boolean }>().upsert === true ? 'upsert' : 'insert'
        const rows = Array.isArray(data) ? data : [data]
        const mutation = { type, ...targetOf(command), rows }
        const envelope: TransactionEnvelope = fromData(() => transactionFromJson({ mutations: [mutation] }))
        const { seq, token } = await (await session.database()).commit(envelope)
        session.output.result({ seq, token, rows: rows.length }, () => session.output.line(`seq ${seq}`))
      }),
    )
  table
    .command('scan <project> <scope> <table>')
    .description('rows in the order of the primary key')
    .option('--limit <count>', 'at most so many')
    .option('--reverse', 'from the last')
    .action(
      withSession(async (session, command) => {
        const { limit, reverse } = command.opts<{ limit?: string; reverse?: boolean }>()
        const rows = (await session.database()).table(targetOf(command)).scan({
          ...(limit !== undefined && { limit: positiveInteger('--limit', limit) }),
          ...(reverse === true && { reverse }),
        })
        await printRows(session.output, rows)
      }),
    )
}

/** Rows printed together, with columns as wide as their widest cell; a long answer is printed as it comes. */
const ROWS_TOGETHER = 200

/** JSON: a line each. Otherwise tables. */
export async function printRows(output: Output, rows: AsyncIterable<Readonly<Record<string, Value>>>): Promise<void> {
  let together: Readonly<Record<string, PrintedCell>>[] = []
  for await (const row of rows) {
    output.result(row, () =>
      together.push(
        Object.fromEntries(
          Object.entries(row).map(([name, cell]) => [
            name,
            typeof cell === 'number' || typeof cell === 'bigint' ? cell : cellText(cell),
          ]),
        ),
      ),
    )
    if (together.length < ROWS_TOGETHER) continue
    output.table(together)
    together = []
  }
  if (together.length > 0) output.table(together)
}

async function describe(session: Session, target: Required<TableTarget>): Promise<TableDescription> {
  return (await session.database()).table(target).describe()
}

function printDescription(output: Output, description: TableDescription): void {
  const { name, rows, owner, definition, indexes, readPolicy, failures } = description
  output.line(`table ${name}${rows === undefined ? '' : `, ${rows} rows`}${owner === '' ? '' : `, owned by ${owner}`}`)
  output.line('')
  output.table(
    definition.columns.map(column => ({
      column: column.name,
      type: column.type,
      null: column.nullable === true ? 'yes' : 'no',
      default: column.defaultNow === true ? 'now' : column.default === undefined ? '' : cellText(column.default),
      key: definition.primaryKey.includes(column.name) ? definition.primaryKey.indexOf(column.name) + 1 : '',
    })),
  )
  for (const index of definition.indexes ?? []) {
    const isReady = indexes.find(({ name }) => name === index.name)?.isReady === true
    const kind = [index.unique === true ? 'unique' : '', index.kind ?? ''].filter(word => word !== '').join(' ')
    const where = index.where === undefined ? '' : ` where ${JSON.stringify(index.where)}`
    output.line(
      `index ${index.name} (${index.columns.join(', ')}) ${kind}${where}${isReady ? '' : ' being built'}`.trimEnd(),
    )
  }
  for (const { name, check } of definition.checks ?? []) output.line(`check ${name} ${JSON.stringify(check)}`)
  for (const { name, columns, table, references, onDelete = 'restrict' } of definition.foreignKeys ?? []) {
    const to = references === undefined ? table : `${table} (${references.join(', ')})`
    output.line(`foreign key ${name} (${columns.join(', ')}) to ${to} on delete ${onDelete}`)
  }
  if (readPolicy !== undefined) output.line(`read policy ${JSON.stringify(readPolicy)}`)
  for (const failure of failures) output.line(`given up at seq ${failure.seq}: ${failure.name}: ${failure.message}`)
}

function targetOf(command: Command): Required<TableTarget> {
  const [project = '', scope = '', table = ''] = command.args
  return { project, scope, table }
}

function objectOf(data: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as Record<string, unknown>
  throw new QuorateError('invalid_argument', `${what} is an object`)
}

/** @throws QuorateError `invalid_argument` naming the wrong field */
export function fromData<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof MalformedData)) throw cause
    throw new QuorateError('invalid_argument', cause.message, { cause })
  }
}
