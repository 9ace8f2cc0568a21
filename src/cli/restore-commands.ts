import type { Command } from 'commander'
import { restoreBackup, restoreMember } from '../entry/engine.ts'
import type { Restored, RestoreOptions } from '../entry/engine.ts'
import { QuorateError } from '../model/index.ts'
import { loadConfiguration, loadDataKeys, nodePlatform } from '../node/index.ts'
import { KEY_FILE, readKey } from './backup-text.ts'
import type { KeyOption } from './backup-text.ts'
import type { CommandContext, GlobalOptions } from './context.ts'
import { keysOption, withDataKeys } from './data-keys.ts'
import type { DataKeyOptions } from './data-keys.ts'
import { createOutput } from './output.ts'
import type { Output } from './output.ts'

/** `quorate backup restore` and `restore-member`. */
export function addRestoreCommands(backup: Command, context: CommandContext): void {
  const outputOf = (command: Command): Output =>
    createOutput(context.terminal, command.optsWithGlobals<GlobalOptions>().output)
  withDataKeys(backup.command('restore <target> <directories...>'))
    .description('makes a data directory of a full backup and the incremental ones that continue it, in that order')
    .option('--seq <seq>', 'restores the state right after this entry')
    .option('--time <time>', 'restores what was committed by this time (ISO 8601)')
    .option('--key-file <file>', 'key that the manifests are signed with')
    .action(
      async (
        target: string,
        directories: string[],
        options: { seq?: string; time?: string } & KeyOption & DataKeyOptions,
        command: Command,
      ) => {
        const key = await readKey(context, options)
        const own = await keysOption(context, options)
        const to: RestoreOptions = { ...pointOf(options), ...(key && { key }), ...own }
        const restored = await restoreBackup(directories, target, to)
        const output = outputOf(command)
        output.result({ target, ...restored }, () => {
          output.line(`${target}: restored to ${restored.seq}, goes on at ${restored.newSeq} of ${restored.historyId}`)
        })
      },
    )
  backup
    .command('restore-member <directories...>')
    .description(
      'makes the data directory of a member of a new cluster, as its configuration names it; several, of several configurations',
    )
    .requiredOption('--config <file...>', 'configuration of the node, as quorate server takes it')
    .option('--restore-id <id>', 'the same for all members, wherever they are restored; used once for each')
    .option('--seq <seq>', 'restores the state right after this entry')
    .option('--time <time>', 'restores what was committed by this time (ISO 8601)')
    .option(...KEY_FILE)
    .action(async (directories: string[], options: MemberOptions, command: Command) => {
      await restoreMembers(context, directories, options, outputOf(command))
    })
}

interface MemberOptions extends KeyOption {
  config: string[]
  restoreId?: string
  seq?: string
  time?: string
}

async function restoreMembers(
  context: CommandContext,
  backups: readonly string[],
  options: MemberOptions,
  output: Output,
): Promise<void> {
  const { files, environment } = context
  const key = await readKey(context, options)
  const members: { name: string; target: string; restored: Restored }[] = []
  const nodes = await Promise.all(
    options.config.map(file => loadConfiguration({ files, file, variables: environment.variables, flags: {} })),
  )
  const names = new Set(nodes.map(({ name }) => name))
  if (options.restoreId === undefined && names.size < nodes[0]!.members.length) {
    const message = `restore all ${nodes[0]!.members.length} members at once, or give all the same --restore-id`
    throw new QuorateError('invalid_argument', message)
  }
  const restoreId = options.restoreId ?? Buffer.from(nodePlatform().random.bytes(16)).toString('hex')
  for (const { name, dataDirectory, members: listed, storage, encryption, integrity } of nodes) {
    const { pageBytes, budgetBytes } = storage
    const keys = await loadDataKeys(files, { encryption: encryption.keyFile, integrity: integrity.keyFile })
    const listedMembers = listed.map(({ name: member, peer, client }) => ({
      name: member,
      peerAddress: peer,
      clientAddress: client,
    }))
    const to: RestoreOptions = {
      ...pointOf(options),
      pageBytes,
      budgetBytes,
      ...(key && { key }),
      ...(keys && { keys }),
    }
    const restored = await restoreMember(backups, dataDirectory, name, { members: listedMembers, restoreId }, to)
    members.push({ name, target: dataDirectory, restored })
  }
  output.result(members, () => {
    for (const { name, target, restored } of members) {
      const { seq, newSeq, historyId } = restored
      output.line(`${target}: ${name}, restored to ${seq}, goes on at ${newSeq} of ${historyId}`)
    }
  })
}

function pointOf({ seq, time }: { seq?: string; time?: string }): RestoreOptions {
  if (seq !== undefined) {
    const number = Number(seq)
    if (!Number.isSafeInteger(number) || number < 0) throw new QuorateError('invalid_argument', `${seq} is no seq`)
    if (time !== undefined) throw new QuorateError('invalid_argument', 'a restore is to a seq or to a time')
    return { seq: number }
  }
  if (time === undefined) return {}
  const micros = microsOf(time)
  if (micros === undefined)
    throw new QuorateError('invalid_argument', `${time} is no time: give it as 2026-11-29T12:00:00Z`)
  return { timeMicros: micros }
}

const TIME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?Z$/

/** UTC only: the result must not depend on where the command runs. */
function microsOf(time: string): number | undefined {
  const match = TIME.exec(time)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(part => Number(part ?? 0))
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return undefined
  const fraction = Number((match[7] ?? '').padEnd(6, '0'))
  return (((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction
}

/** Days from 1 January 1970 in the Gregorian calendar: years are counted from March, so that the leap day is their last. */
function daysSince1970(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const monthFromMarch = (month + 9) % 12
  const daysOfYears = 365 * shifted + Math.floor(shifted / 4) - Math.floor(shifted / 100) + Math.floor(shifted / 400)
  return daysOfYears + Math.floor((153 * monthFromMarch + 2) / 5) + day - 1 - 719_468
}
