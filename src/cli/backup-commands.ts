import type { Command } from 'commander'
import { backupDirectory, listBackups, rehearseRestore, verifyBackup } from '../entry/engine.ts'
import type { BackupManifest, Rehearsed } from '../entry/engine.ts'
import { describeBackup, KEY_FILE, readKey, scratchDirectory } from './backup-text.ts'
import type { KeyOption } from './backup-text.ts'
import { outputOf } from './context.ts'
import type { CommandContext, WithSession } from './context.ts'
import { addNodeBackupCommands, createFromNode } from './node-backup-commands.ts'
import { keysOption, withDataKeys } from './data-keys.ts'
import type { DataKeyOptions } from './data-keys.ts'
import type { Output } from './output.ts'
import { addRestoreCommands } from './restore-commands.ts'

interface CreateOptions extends KeyOption, DataKeyOptions {
  data?: string
  parent?: string
  attempts?: string
}

/** `quorate backup`: of nodes that serve, of a data directory that nobody has open, and of backups, without a node. */
export function addBackupCommands(program: Command, context: CommandContext, withSession: WithSession): void {
  const backup = program.command('backup').description('take, list, verify and restore backups')
  withDataKeys(backup.command('create <directory>'))
    .description('writes a backup of a cluster that serves, or of a data directory that no process has open')
    .option('--data <directory>', 'data directory of an embedded database, or of a node that does not run')
    .option('--parent <directory>', 'the backup that this one continues')
    .option('--attempts <n>', 'how often it is tried where nodes or connections fail', '3')
    .option(...KEY_FILE)
    .action(async (directory: string, options: CreateOptions, command: Command) => {
      if (options.data === undefined) {
        const ofNode = withSession(async session => createFromNode(context, session, directory, options))
        await ofNode(command)
        return
      }
      report(outputOf(context, command), directory, await createOffline(context, options.data, directory, options))
    })
  addNodeBackupCommands(backup, context, withSession)
  backup
    .command('list <root>')
    .description('the finished backups in a directory or right below it')
    .option(...KEY_FILE)
    .action(async (root: string, options: KeyOption, command: Command) => {
      const found = await listBackups(root, await readKey(context, options))
      const output = outputOf(context, command)
      output.result(
        found.map(({ directory, manifest }) => ({ directory, ...manifest })),
        () => {
          for (const { directory, manifest } of found) output.line(describeBackup(directory, manifest))
        },
      )
    })
  backup
    .command('verify <directories...>')
    .description(
      'compares every file and record with its checksum, restores each chain into a scratch directory and reads it back',
    )
    .option('--files-only', 'restores nothing')
    .option('--scratch <directory>', 'where chains are restored; default: beside the first backup')
    .option(...KEY_FILE)
    .action(async (directories: string[], options: VerifyOptions, command: Command) => {
      await verifyBackups(context, directories, options, outputOf(context, command))
    })
  addRestoreCommands(backup, context, withSession)
}

async function createOffline(
  context: CommandContext,
  data: string,
  directory: string,
  { parent, ...options }: CreateOptions,
): Promise<BackupManifest> {
  const key = await readKey(context, options)
  const task = { ...(parent !== undefined && { parent }), ...(key && { key }) }
  return await backupDirectory(data, directory, { ...(await keysOption(context, options)), ...task })
}

interface VerifyOptions extends KeyOption {
  filesOnly?: boolean
  scratch?: string
}

async function verifyBackups(
  context: CommandContext,
  directories: readonly string[],
  options: VerifyOptions,
  output: Output,
): Promise<void> {
  const key = await readKey(context, options)
  const found: { directory: string; manifest: BackupManifest; rehearsed?: Rehearsed }[] = []
  for (const directory of directories) found.push({ directory, manifest: await verifyBackup(directory, key) })
  // A full backup begins a chain, and whatever follows it continues it.
  for (const [i, one] of found.entries()) {
    const isEnd = found[i + 1] === undefined || found[i + 1]!.manifest.type === 'full'
    const start = found.findLastIndex(({ manifest }, at) => at <= i && manifest.type === 'full')
    if (options.filesOnly === true || !isEnd || start < 0) continue
    const chain = found.slice(start, i + 1).map(({ directory }) => directory)
    const scratch = await scratchDirectory(context, options.scratch, `${chain[0]!}.rehearsal`)
    one.rehearsed = await rehearseRestore(chain, scratch, key && { key })
  }
  output.result(
    found.map(({ manifest, rehearsed }) => ({ ...manifest, ...(rehearsed && { rehearsed }) })),
    () => {
      for (const { directory, manifest, rehearsed } of found) {
        const restored = rehearsed === undefined ? '' : `, restored to ${rehearsed.seq} with digest ${rehearsed.digest}`
        output.line(`${describeBackup(directory, manifest)}: whole${restored}`)
      }
    },
  )
}

function report(output: Output, directory: string, manifest: BackupManifest): void {
  output.result({ directory, ...manifest }, () => output.line(describeBackup(directory, manifest)))
}
