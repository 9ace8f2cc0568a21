import { Option } from 'commander'
import type { Command } from 'commander'
import { queryFromJson } from '../model/index.ts'
import type { DiagnosedPage, QueryPlan, QueryStage } from '../model/index.ts'
import type { CommandContext, WithSession } from './context.ts'
import { dataArgument } from './data-argument.ts'
import type { Output } from './output.ts'
import { fromData, printRows } from './table-commands.ts'

/** `quorate query`. */
export function addQueryCommand(program: Command, context: CommandContext, withSession: WithSession): void {
  program
    .command('query <query>')
    .description('runs a query: its JSON ({"project":..,"from":..,"where":..}), a file of JSON or YAML, or -')
    .option('--explain', 'prints how it would be run instead')
    .addOption(
      new Option('--diagnose', 'runs one page and prints what each stage did instead of the rows').conflicts('explain'),
    )
    .option('--cursor <cursor>', 'goes on after the page that gave it')
    .option('--page', 'one page; its cursor is printed last')
    .action(
      withSession(async (session, command) => {
        const { output } = session
        const { explain, diagnose, cursor, page } = command.opts<QueryOptions>()
        const data = await dataArgument(context, command.args[0] ?? '')
        const query = (await session.database()).query(fromData(() => queryFromJson(data)))
        if (explain === true) {
          const plan = await query.explain()
          return output.result(plan, () => {
            output.line(headOf(plan))
            for (const stage of plan.stages) output.line(`  ${stage.text}${expectation(stage)}`)
          })
        }
        if (diagnose === true) return printDiagnosis(output, await query.diagnose(cursor))
        if (page !== true && cursor === undefined) return printRows(output, query.rows())
        const answer = await query.page(cursor)
        await printRows(output, each(answer.rows))
        if (answer.cursor !== undefined) {
          output.result({ cursor: answer.cursor }, () => output.line(`more: --cursor ${answer.cursor}`))
        }
      }),
    )
}

interface QueryOptions {
  explain?: boolean
  diagnose?: boolean
  cursor?: string
  page?: boolean
}

function headOf({ path, indexes, seq }: QueryPlan): string {
  return `${path}${indexes.length > 0 ? ` by ${indexes.join(', ')}` : ''}, seq ${seq}`
}

function expectation({ estimatedRows, maxRows }: QueryStage): string {
  if (estimatedRows === undefined) return ''
  return ` (about ${estimatedRows} rows${maxRows === undefined ? '' : `, at most ${maxRows}`})`
}

function printDiagnosis(output: Output, { rows, diagnostics, elapsedMs, cursor }: DiagnosedPage<unknown>): void {
  const { plan, stages, pageBytes } = diagnostics
  const more = cursor !== undefined && { cursor }
  output.result({ rows: rows.length, elapsedMs, ...diagnostics, ...more }, () => {
    output.line(`${headOf(plan)}: ${rows.length} rows, ${pageBytes} bytes, ${elapsedMs.toFixed(1)} ms`)
    plan.stages.forEach((stage, i) => {
      const { read, rows: given, heldBytes } = stages[i]!
      const looked = read > 0 ? `, read ${read}` : ''
      const held = heldBytes > 0 ? `, held ${heldBytes} bytes` : ''
      output.line(`  ${stage.text}: ${given} rows${looked}${held}${expectation(stage)}`)
    })
    if (cursor !== undefined) output.line(`more: --cursor ${cursor}`)
  })
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* items
}
