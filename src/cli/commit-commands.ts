import type { Command } from 'commander'
import { transactionFromJson } from '../encoding/index.ts'
import type { TransactionEnvelope } from '../encoding/index.ts'
import type { PreflightResult } from '../model/index.ts'
import type { CommandContext, WithSession } from './context.ts'
import { dataArgument } from './data-argument.ts'
import { CommandExit, describeError, ExitCode } from './exit-codes.ts'
import type { Output } from './output.ts'
import { fromData } from './table-commands.ts'

/** `quorate commit` and `quorate preflight`: a transaction as data. */
export function addCommitCommands(program: Command, context: CommandContext, withSession: WithSession): void {
  const read = async (command: Command): Promise<TransactionEnvelope> => {
    const data = await dataArgument(context, command.args[0] ?? '')
    return fromData(() => transactionFromJson(data))
  }
  program
    .command('commit <transaction>')
    .description('applies a transaction: its JSON ({"mutations":[..]}), a file of JSON or YAML, or -')
    .option('--with-preflight', 'only if what it changes has not changed since it was checked')
    .action(
      withSession(async (session, command) => {
        const envelope = await read(command)
        const database = await session.database()
        const isChecked = command.opts<{ withPreflight?: boolean }>().withPreflight === true
        const result = isChecked ? await database.commitWithPreflight(envelope) : await database.commit(envelope)
        session.output.result(result, () => session.output.line(`seq ${result.seq}`))
      }),
    )
  program
    .command('preflight <transaction>')
    .description('what a transaction would do; nothing is changed. Exit code 1 if it would be refused')
    .action(
      withSession(async (session, command) => {
        const found = await (await session.database()).preflight(await read(command))
        session.output.result(found, () => print(session.output, found))
        if (!found.isValid) throw new CommandExit(ExitCode.failed, describeError(found.error))
      }),
    )
}

function print(output: Output, { isValid, rows, keys, events, seq }: PreflightResult): void {
  if (isValid) output.line(`would change ${rows} rows and ${keys} keys, and emit ${events} events, as of seq ${seq}`)
}
