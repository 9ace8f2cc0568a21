import type { Command } from 'commander'
import { Option } from 'commander'
import { ddlFromJson } from '../encoding/index.ts'
import type { DdlOptions } from '../model/index.ts'
import type { CommandContext, WithSession } from './context.ts'
import { dataArgument } from './data-argument.ts'
import { fromData } from './table-commands.ts'

/** `quorate ddl`: any changes of the catalog, all or none. */
export function addDdlCommand(program: Command, context: CommandContext, withSession: WithSession): void {
  program
    .command('ddl <operations>')
    .description('applies catalog operations, all or none: JSON ({"type":"createTable",..} or a list), a file, or -')
    .addOption(
      new Option('--order <order>', 'as given, or each after those that it rests on')
        .choices(['given', 'dependencies'])
        .default('given'),
    )
    .action(
      withSession(async (session, command) => {
        const { order } = command.opts<{ order: NonNullable<DdlOptions['order']> }>()
        const data = await dataArgument(context, command.args[0] ?? '')
        const operations = fromData(() => ddlFromJson(data))
        const { seq, token, changed } = await (await session.database()).ddl(operations, { order })
        session.output.result({ seq, token, changed }, () =>
          session.output.line(`seq ${seq}: ${changed.filter(Boolean).length} of ${changed.length} changed something`),
        )
      }),
    )
}
