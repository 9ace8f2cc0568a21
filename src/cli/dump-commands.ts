import type { Command } from 'commander'
import { exportDump, parityOf, restoreDump } from '../entry/engine.ts'
import type { DumpSummary, OfflineOptions } from '../entry/engine.ts'
import { QuorateError } from '../model/index.ts'
import { outputOf } from './context.ts'
import type { CommandContext } from './context.ts'
import { keysOption, withDataKeys } from './data-keys.ts'
import type { DataKeyOptions } from './data-keys.ts'
import { CommandExit, ExitCode } from './exit-codes.ts'
import type { Output } from './output.ts'

/** `quorate dump`: the records of a directory that nobody serves, whatever its pages look like. */
export function addDumpCommands(program: Command, context: CommandContext): void {
  const dump = program
    .command('dump')
    .description('write and restore all records, compare states, of directories that nobody serves')
  withDataKeys(dump.command('export <directory> <file>'))
    .description('writes every record in key order, with a parity checksum')
    .option('--seq <seq>', 'the state right after this entry, behind the newest checkpoint')
    .action(async (directory: string, file: string, options: PointOption, command: Command) => {
      const summary = await exportDump(directory, file, await offlineOf(context, options))
      const output = outputOf(context, command)
      output.result({ file, ...summary }, () => output.line(describe(file, summary)))
    })
  withDataKeys(dump.command('restore <file> <directory>'))
    .description('makes a data directory of a dump, which begins a history of its own')
    .action(async (file: string, directory: string, options: DataKeyOptions, command: Command) => {
      const restored = await restoreDump(file, directory, await keysOption(context, options))
      const output = outputOf(context, command)
      output.result({ directory, ...restored }, () => {
        const { seq, newSeq, historyId } = restored
        output.line(`${directory}: restored to ${seq}, goes on at ${newSeq} of ${historyId}`)
      })
    })
  withDataKeys(dump.command('parity <paths...>'))
    .description('the parity of directories and dumps; of several, whether they hold the same (exit code 1 if not)')
    .option('--seq <seq>', 'the state of directories right after this entry, behind their newest checkpoints')
    .option('--data', 'compares what users have put there only: sessions and clocks may differ')
    .action(async (paths: string[], options: PointOption & { data?: boolean }, command: Command) => {
      await compare(paths, await offlineOf(context, options), options.data === true, outputOf(context, command))
    })
}

async function compare(
  paths: readonly string[],
  options: OfflineOptions,
  isDataOnly: boolean,
  output: Output,
): Promise<void> {
  const found: (DumpSummary & { path: string })[] = []
  for (const path of paths) found.push({ path, ...(await parityOf(path, options)) })
  const sums = new Set(found.map(({ parity }) => (isDataOnly ? parity.data : parity.all)))
  output.result({ isEqual: sums.size === 1, states: found }, () => {
    for (const { path, ...summary } of found) output.line(describe(path, summary))
  })
  if (sums.size > 1) throw new CommandExit(ExitCode.failed, 'the states differ')
}

function describe(path: string, { state, parity }: DumpSummary): string {
  return `${path}: seq ${state.seq}, ${parity.records} records, all ${parity.all}, data ${parity.data}`
}

interface PointOption extends DataKeyOptions {
  seq?: string
}

async function offlineOf(context: CommandContext, { seq, ...options }: PointOption): Promise<OfflineOptions> {
  const throughSeq = seq === undefined ? undefined : Number(seq)
  if (throughSeq !== undefined && !(Number.isSafeInteger(throughSeq) && throughSeq > 0)) {
    throw new QuorateError('invalid_argument', `${seq} is no seq`)
  }
  return { ...(throughSeq !== undefined && { throughSeq }), ...(await keysOption(context, options)) }
}
