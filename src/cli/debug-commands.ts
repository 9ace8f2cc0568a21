import type { Command } from 'commander'
import { openForReading } from '../entry/engine.ts'
import type { OfflineOptions } from '../entry/engine.ts'
import { QuorateError } from '../model/index.ts'
import type { Database } from '../model/index.ts'
import { nodePlatform, readLog } from '../node/index.ts'
import type { DescribedEntry } from '../node/index.ts'
import type { CommandContext, GlobalOptions } from './context.ts'
import { outputOf, positiveInteger } from './context.ts'
import { keysOption, withDataKeys } from './data-keys.ts'
import type { DataKeyOptions } from './data-keys.ts'
import { CommandExit, ExitCode } from './exit-codes.ts'

/** Commands that only read, so that they can be given a directory in place of nodes. */
const READING: ReadonlySet<string> = new Set(['project', 'scope', 'table', 'query', 'kv', 'export', 'audit'])
const ENTRIES = '100'

interface LogOptions extends DataKeyOptions {
  from?: string
  to?: string
  limit: string
  full?: boolean
}

/** `quorate debug`: looks into directories that nobody serves. `run` runs a command line. */
export function addDebugCommands(
  program: Command,
  context: CommandContext,
  run: (context: CommandContext, args: readonly string[]) => Promise<ExitCode>,
): void {
  const debug = program.command('debug').description('looks into data directories that nobody serves')
  withDataKeys(debug.command('explore <directory> [command...]'))
    .description(
      'runs a command that reads (project, scope, table, query, kv, audit, export) on a directory in place of nodes: debug explore DIR -- kv scan P app',
    )
    .allowUnknownOption()
    .action(async (directory: string, args: string[], options: DataKeyOptions, command: Command) => {
      const database = await openExplored(directory, args, await keysOption(context, options))
      await explore(context, database, args, command, run)
    })
  withDataKeys(debug.command('dump-log <directory>'))
    .description('the entries of the log, one a line: seq, term, kind, leader time, bytes, who asked for what')
    .option('--from <seq>', 'the first entry; default: the first that is there')
    .option('--to <seq>', 'the last entry')
    .option('--limit <n>', 'at most so many entries', ENTRIES)
    .option('--full', 'everything that transactions say, values too')
    .action(async (directory: string, options: LogOptions, command: Command) => {
      const output = outputOf(context, command)
      const limit = positiveInteger('--limit', options.limit)
      const range = { ...rangeOf(options), ...(await keysOption(context, options)) }
      let count = 0
      for await (const entry of readLog(nodePlatform(), directory, range)) {
        output.result(entry, () => output.line(describe(entry)))
        if (++count === limit) break
      }
    })
}

function rangeOf({ from, to, full }: LogOptions): Parameters<typeof readLog>[2] {
  return {
    ...(from !== undefined && { fromSeq: positiveInteger('--from', from) }),
    ...(to !== undefined && { throughSeq: positiveInteger('--to', to) }),
    isFull: full === true,
  }
}

/** Always the same, wherever it runs: leader time as a number. */
function describe({ seq, term, kind, leaderTimeMicros, bytes, isCommitted, detail }: DescribedEntry): string {
  const said = JSON.stringify(detail)
  const parts = [seq, term, kind, leaderTimeMicros, `${bytes} bytes`, ...(said === '{}' ? [] : [said])]
  return `${parts.join(' ')}${isCommitted ? '' : ' (not known to be committed)'}`
}

function openExplored(directory: string, [verb = '']: readonly string[], options: OfflineOptions): Promise<Database> {
  if (READING.has(verb)) return openForReading(directory, options)
  const message = `a directory is explored by ${[...READING].join(', ')}, not by '${verb}'`
  throw new QuorateError('invalid_argument', message)
}

async function explore(
  context: CommandContext,
  database: Database,
  args: readonly string[],
  command: Command,
  run: (context: CommandContext, args: readonly string[]) => Promise<ExitCode>,
): Promise<void> {
  try {
    const { output } = command.optsWithGlobals<GlobalOptions>()
    const code = await run({ ...context, database: () => Promise.resolve(database) }, ['--output', output, ...args])
    if (code !== ExitCode.fine) throw new CommandExit(code)
  } finally {
    await database.close()
  }
}
