import type { Command } from 'commander'
import { utf8Bytes } from '../encoding/index.ts'
import { bytesCodec, QuorateError } from '../model/index.ts'
import type { KeyValueSpace } from '../model/index.ts'
import type { CommandContext, Session, WithSession } from './context.ts'
import { positiveInteger } from './context.ts'
import { printable } from './output.ts'
import { addKeyWatchCommand } from './watch-command.ts'

/** `quorate kv`: keys and values are text on the command line and bytes below. */
export function addKeyValueCommands(program: Command, context: CommandContext, withSession: WithSession): void {
  const kv = program.command('kv').description('read and write keys')
  addReads(kv, withSession)
  kv.command('set <project> <scope> <key> <value>')
    .description("writes a key; the value '-' is read from standard input")
    .option('--ttl-ms <ms>', 'the key expires this long after the write')
    .option('--if-seq <seq>', 'only if the last change of the key has this seq')
    .option('--if-absent', 'only if there is no such key')
    .action(
      withSession(async (session, command) => {
        const [, , key = '', text = ''] = command.args
        const { ttlMs, ifSeq, ifAbsent } = command.opts<{ ttlMs?: string; ifSeq?: string; ifAbsent?: boolean }>()
        const value = text === '-' ? await context.terminal.readInput() : utf8Bytes(text)
        const { seq, token } = await (
          await spaceOf(session, command)
        ).set(utf8Bytes(key), value, {
          ...(ttlMs !== undefined && { ttlMs: positiveInteger('--ttl-ms', ttlMs) }),
          ...(ifSeq !== undefined && { ifSeq: positiveInteger('--if-seq', ifSeq) }),
          ...(ifAbsent === true && { ifAbsent }),
        })
        session.output.result({ seq, token }, () => session.output.line(`seq ${seq}`))
      }),
    )
  kv.command('delete <project> <scope> <key>')
    .option('--if-seq <seq>', 'only if the last change of the key has this seq')
    .action(
      withSession(async (session, command) => {
        const { ifSeq } = command.opts<{ ifSeq?: string }>()
        const options = ifSeq === undefined ? {} : { ifSeq: positiveInteger('--if-seq', ifSeq) }
        const { seq, token } = await (await spaceOf(session, command)).delete(utf8Bytes(command.args[2] ?? ''), options)
        session.output.result({ seq, token }, () => session.output.line(`seq ${seq}`))
      }),
    )
}

function addReads(kv: Command, withSession: WithSession): void {
  kv.command('get <project> <scope> <key>')
    .description('prints the value as it is')
    .action(
      withSession(async (session, command) => {
        const key = command.args[2] ?? ''
        const entry = await (await spaceOf(session, command)).entry(utf8Bytes(key))
        if (entry === undefined) throw new QuorateError('not_found', `there is no key ${key}`)
        session.output.result(entry, () => session.output.raw(entry.value))
      }),
    )
  kv.command('scan <project> <scope>')
    .description('prints keys and values in the order of the keys')
    .option('--prefix <text>', 'only keys that start so')
    .option('--limit <count>', 'at most so many')
    .option('--reverse', 'from the last key')
    .action(
      withSession(async (session, command) => {
        const { prefix, limit, reverse } = command.opts<{ prefix?: string; limit?: string; reverse?: boolean }>()
        const found = (await spaceOf(session, command)).scan({
          ...(prefix !== undefined && { prefix: utf8Bytes(prefix) }),
          ...(limit !== undefined && { limit: positiveInteger('--limit', limit) }),
          ...(reverse === true && { reverse }),
        })
        // One line an entry in both formats: a scan may be long.
        for await (const entry of found) {
          session.output.result(entry, () => session.output.line(`${printable(entry.key)}\t${printable(entry.value)}`))
        }
      }),
    )
  kv.command('scan-scopes <project>')
    .description('prints keys and values of all scopes that the caller may read, scope by scope')
    .option('--prefix <text>', 'only keys that start so')
    .option('--limit <count>', 'at most so many')
    .option('--reverse', 'from the last scope and key')
    .action(
      withSession(async (session, command) => {
        const { prefix, limit, reverse } = command.opts<{ prefix?: string; limit?: string; reverse?: boolean }>()
        const [project = ''] = command.args
        const found = (await session.database()).scanScopes<Uint8Array>(project, {
          key: bytesCodec,
          ...(prefix !== undefined && { prefix: utf8Bytes(prefix) }),
          ...(limit !== undefined && { limit: positiveInteger('--limit', limit) }),
          ...(reverse === true && { reverse }),
        })
        for await (const entry of found) {
          const { scope, key, value } = entry
          session.output.result(entry, () => session.output.line(`${scope}\t${printable(key)}\t${printable(value)}`))
        }
      }),
    )
  addKeyWatchCommand(kv, withSession)
}

async function spaceOf(session: Session, command: Command): Promise<KeyValueSpace<Uint8Array, Uint8Array>> {
  const [project = '', scope = ''] = command.args
  return (await session.database()).kv<Uint8Array>(project, { scope, key: bytesCodec, value: bytesCodec })
}
