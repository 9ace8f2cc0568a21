import type { Command } from 'commander'
import { queryFromJson } from '../model/index.ts'
import type { CommandContext, WithSession } from './context.ts'
import { dataArgument } from './data-argument.ts'
import { fromData, printRows } from './table-commands.ts'

/** `quorate query`. */
export function addQueryCommand(program: Command, context: CommandContext, withSession: WithSession): void {
  program
    .command('query <query>')
    .description('runs a query: its JSON ({"project":..,"from":..,"where":..}), a file of JSON or YAML, or -')
    .option('--explain', 'prints how it would be run instead')
    .option('--cursor <cursor>', 'goes on after the page that gave it')
    .option('--page', 'one page; its cursor is printed last')
    .action(
      withSession(async (session, command) => {
        const { output } = session
        const { explain, cursor, page } = command.opts<{ explain?: boolean; cursor?: string; page?: boolean }>()
        const data = await dataArgument(context, command.args[0] ?? '')
        const query = (await session.database()).query(fromData(() => queryFromJson(data)))
        if (explain === true) {
          const plan = await query.explain()
          return output.result(plan, () => {
            output.line(`${plan.path}${plan.indexes.length > 0 ? ` by ${plan.indexes.join(', ')}` : ''}`)
            for (const stage of plan.stages) output.line(`  ${stage}`)
          })
        }
        if (page !== true && cursor === undefined) return printRows(output, query.rows())
        const answer = await query.page(cursor)
        await printRows(output, each(answer.rows))
        if (answer.cursor !== undefined) {
          output.result({ cursor: answer.cursor }, () => output.line(`more: --cursor ${answer.cursor}`))
        }
      }),
    )
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* items
}
