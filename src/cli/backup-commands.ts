import type { Command } from 'commander'
import { Engine, listBackups, restoreBackup, verifyBackup } from '../entry/engine.ts'
import type { BackupManifest, RestoreOptions } from '../entry/engine.ts'
import { QuorateError } from '../model/index.ts'
import type { CommandContext, GlobalOptions } from './context.ts'
import { createOutput } from './output.ts'
import type { Output } from './output.ts'

interface KeyOption {
  keyFile?: string
}

/** `quorate backup`: of a data directory that nobody has open, and of backups, without a node. */
export function addBackupCommands(program: Command, context: CommandContext): void {
  const backup = program.command('backup').description('take, list, verify and restore backups')
  const outputOf = (command: Command): Output =>
    createOutput(context.terminal, command.optsWithGlobals<GlobalOptions>().output)
  backup
    .command('create <directory>')
    .description('writes a backup of an embedded database that no process has open')
    .requiredOption('--data <directory>', 'data directory')
    .option('--parent <directory>', 'the backup that this one continues')
    .option('--key-file <file>', 'key that the manifest is signed with, at least 32 bytes')
    .action(async (directory: string, options: { data: string; parent?: string } & KeyOption, command: Command) => {
      const key = await readKey(context, options)
      await requireDirectory(context, options.data)
      const engine = await Engine.open(options.data)
      try {
        const { parent } = options
        const manifest = await engine.backup(directory, {
          ...(parent !== undefined && { parent }),
          ...(key && { key }),
        })
        report(outputOf(command), directory, manifest)
      } finally {
        await engine.close()
      }
    })
  backup
    .command('list <root>')
    .description('the finished backups in a directory or right below it')
    .option('--key-file <file>', 'key that the manifests are signed with')
    .action(async (root: string, options: KeyOption, command: Command) => {
      const found = await listBackups(root, await readKey(context, options))
      const output = outputOf(command)
      output.result(
        found.map(({ directory, manifest }) => ({ directory, ...manifest })),
        () => {
          for (const { directory, manifest } of found) output.line(describe(directory, manifest))
        },
      )
    })
  backup
    .command('verify <directories...>')
    .description('compares every file and record with its checksum')
    .option('--key-file <file>', 'key that the manifests are signed with')
    .action(async (directories: string[], options: KeyOption, command: Command) => {
      const key = await readKey(context, options)
      const output = outputOf(command)
      const manifests: BackupManifest[] = []
      for (const directory of directories) manifests.push(await verifyBackup(directory, key))
      output.result(manifests, () => {
        for (const [i, manifest] of manifests.entries()) output.line(`${describe(directories[i]!, manifest)}: whole`)
      })
    })
  backup
    .command('restore <target> <directories...>')
    .description('makes a data directory of a full backup and the incremental ones that continue it, in that order')
    .option('--seq <seq>', 'restores the state right after this entry')
    .option('--time <time>', 'restores what was committed by this time (ISO 8601)')
    .option('--key-file <file>', 'key that the manifests are signed with')
    .action(
      async (
        target: string,
        directories: string[],
        options: { seq?: string; time?: string } & KeyOption,
        command: Command,
      ) => {
        const key = await readKey(context, options)
        const to: RestoreOptions = { ...pointOf(options), ...(key && { key }) }
        const restored = await restoreBackup(directories, target, to)
        const output = outputOf(command)
        output.result({ target, ...restored }, () => {
          output.line(`${target}: restored to ${restored.seq}, goes on at ${restored.newSeq} of ${restored.historyId}`)
        })
      },
    )
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

async function readKey({ files }: CommandContext, { keyFile }: KeyOption): Promise<Uint8Array | undefined> {
  if (keyFile === undefined) return undefined
  const file = await files.open(keyFile, 'read')
  try {
    const bytes = new Uint8Array(file.sizeSync())
    await file.read(bytes, 0)
    return bytes
  } finally {
    await file.close()
  }
}

/** A mistyped directory must not become a new, empty database. */
async function requireDirectory({ files }: CommandContext, directory: string): Promise<void> {
  if ((await files.size(`${directory}/identity.json`)) !== undefined) return
  throw new QuorateError('not_found', `${directory} is no data directory`)
}

function report(output: Output, directory: string, manifest: BackupManifest): void {
  output.result({ directory, ...manifest }, () => output.line(describe(directory, manifest)))
}

function describe(directory: string, { type, state, head, files }: BackupManifest): string {
  const bytes = files.images.bytes + files.entries.bytes
  return `${directory}: ${type}, restores ${state.seq} to ${head.seq}, ${bytes} bytes`
}
