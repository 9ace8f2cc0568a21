import type { Command } from 'commander'
import { utf8Bytes } from '../encoding/index.ts'
import type { TableTarget, Value } from '../encoding/index.ts'
import type { Change, RowChange, UntypedShape, WatchEvent } from '../model/index.ts'
import { onSignals } from '../node/index.ts'
import { cellText, keyCells } from './cell-text.ts'
import type { Session, WithSession } from './context.ts'
import { positiveInteger } from './context.ts'
import { printable } from './output.ts'
import type { Output } from './output.ts'

interface WatchFlags {
  prefix?: string
  from?: string
  limit?: string
}

/** `quorate watch`: changes of keys, or of the rows of a table, as they happen. */
export function addWatchCommand(program: Command, withSession: WithSession): void {
  withWatchOptions(program.command('watch <project> <scope> [table] [key...]'))
    .description(
      'prints changes of rows as they happen, until Ctrl-C; the key is the first cells of it; without a table, of keys',
    )
    .option('--prefix <text>', 'without a table: only keys that start so')
    .action(
      withSession(async (session, command) => {
        const [project = '', scope = '', table, ...words] = command.args
        if (table === undefined) return watchKeys(session, command)
        return watchRows(session, command.opts<WatchFlags>(), { project, scope, table }, words)
      }),
    )
}

/** `quorate kv watch`: the same for keys alone. */
export function addKeyWatchCommand(kv: Command, withSession: WithSession): void {
  withWatchOptions(kv.command('watch <project> <scope>'))
    .description('prints changes as they happen, until Ctrl-C')
    .option('--prefix <text>', 'only keys that start so')
    .action(withSession(watchKeys))
}

function withWatchOptions(command: Command): Command {
  return command
    .option('--from <token>', 'first the changes after this point')
    .option('--limit <commits>', 'ends after so many commits')
}

async function watchKeys(session: Session, command: Command): Promise<void> {
  const [project = '', scope = ''] = command.args
  const flags = command.opts<WatchFlags>()
  const database = await session.database()
  const selector = { project, scope, ...(flags.prefix !== undefined && { prefix: utf8Bytes(flags.prefix) }) }
  await print(
    session.output,
    flags,
    options => database.watch(selector, options),
    ({ kind, key, value, seq }: Change) =>
      `${seq}\t${kind}\t${printable(key)}${value === undefined ? '' : `\t${printable(value)}`}`,
  )
}

async function watchRows(
  session: Session,
  flags: WatchFlags,
  target: TableTarget,
  words: readonly string[],
): Promise<void> {
  const table = (await session.database()).table(target)
  const { columns, primaryKey } = (await table.describe()).definition
  const prefix = keyCells({ columns, primaryKey: primaryKey.slice(0, words.length) }, words)
  const database = await session.database()
  await print(
    session.output,
    flags,
    options => database.watch({ ...target, prefix }, options),
    ({ kind, key, row, seq }: RowChange<UntypedShape>) =>
      `${seq}\t${kind}\t${cellsText(key)}${row === undefined ? '' : `\t${cellsText(row)}`}`,
  )
}

function cellsText(cells: Readonly<Record<string, Value>>): string {
  return Object.entries(cells)
    .map(([name, cell]) => `${name}=${cellText(cell)}`)
    .join(' ')
}

type AnyEvent<C> =
  | { type: 'commit'; seq: number; token: string; changes: readonly C[] }
  | Exclude<WatchEvent, { type: 'commit' }>

async function print<C>(
  output: Output,
  { from, limit }: WatchFlags,
  watch: (options: { signal: AbortSignal; from?: string }) => AsyncIterable<AnyEvent<C>>,
  lineOf: (change: C) => string,
): Promise<void> {
  let commitsLeft = limit === undefined ? Infinity : positiveInteger('--limit', limit)
  const ending = new AbortController()
  const stopListening = onSignals(['SIGINT', 'SIGTERM'], () => ending.abort())
  try {
    for await (const event of watch({ signal: ending.signal, ...(from !== undefined && { from }) })) {
      if (event.type === 'reset') {
        await event.view.close()
        output.result({ type: 'reset', seq: event.seq, token: event.token }, () =>
          output.line(`${event.seq}\treset\tchanges before this point are not known any more`),
        )
      } else if (event.type === 'commit') {
        output.result(event, () => {
          for (const change of event.changes) output.line(lineOf(change))
        })
        if (--commitsLeft === 0) return
      }
    }
  } finally {
    stopListening()
  }
}
