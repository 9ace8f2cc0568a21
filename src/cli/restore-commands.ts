import type { Command } from 'commander'
import { bytesToHex, streamingSha256, utf8Bytes } from '../encoding/index.ts'
import { Engine, openForReading, readBackup, restoreBackup, restoreMember } from '../entry/engine.ts'
import type { Restored, RestoreOptions } from '../entry/engine.ts'
import { copyNamespace, QuorateError } from '../model/index.ts'
import type { CopyResult, Database } from '../model/index.ts'
import { loadConfiguration, loadDataKeys, nodePlatform, readIdentity } from '../node/index.ts'
import { KEY_FILE, readKey, scratchDirectory } from './backup-text.ts'
import type { KeyOption } from './backup-text.ts'
import { commandVariables } from './command-variables.ts'
import type { CommandContext, Session, WithSession } from './context.ts'
import { outputOf, positiveInteger } from './context.ts'
import { keysOption, withDataKeys } from './data-keys.ts'
import type { DataKeyOptions } from './data-keys.ts'
import { timeOption } from './time-option.ts'

/** `quorate backup restore`, `restore-member` and `restore-project`. */
export function addRestoreCommands(backup: Command, context: CommandContext, withSession: WithSession): void {
  withDataKeys(backup.command('restore <target> <directories...>'))
    .description('makes a data directory of a full backup and the incremental ones that continue it, in that order')
    .option('--seq <seq>', 'restores the state right after this entry')
    .option('--time <time>', 'restores what was committed by this time (ISO 8601)')
    .option(...KEY_FILE)
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
        const output = outputOf(context, command)
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
    .option('--skip-existing', 'leaves a directory alone that holds something already, instead of failing')
    .option('--restore-id <id>', 'the same for all members, wherever they are restored; used once for each')
    .option('--seq <seq>', 'restores the state right after this entry')
    .option('--time <time>', 'restores what was committed by this time (ISO 8601)')
    .option(...KEY_FILE)
    .action(async (directories: string[], options: MemberOptions, command: Command) => {
      await restoreMembers(context, directories, options, command)
    })
  addProjectCommand(backup, context, withSession)
}

/** A data directory that was finished: what an interrupted restore has left is not. */
async function isFinished({ files }: CommandContext, directory: string): Promise<boolean> {
  return (await readIdentity(files, directory))?.isComplete === true
}

function addProjectCommand(backup: Command, context: CommandContext, withSession: WithSession): void {
  withDataKeys(backup.command('restore-project <project> <directories...>'))
    .description(
      'copies a project, or a scope or table of one, out of backups into a database that serves; run again after it broke off, it goes on',
    )
    .option('--scope <scope>', 'only this scope')
    .option('--table <table>', 'only this table of the scope (default app)')
    .option('--to <project>', 'the name of the copy; default: the same')
    .option('--to-scope <scope>', 'the name of the scope there')
    .option('--to-table <table>', 'the name of the table there')
    .option('--data <directory>', 'into an embedded database that no process has open, in place of a cluster')
    .option('--into-existing', 'also if it is there: keys and rows of the same keys are replaced, others stay')
    .option('--dry-run', 'changes nothing')
    .option('--batch <records>', 'in one commit', '500')
    .option('--scratch <directory>', 'where the backups are restored meanwhile; default: beside the first')
    .option('--seq <seq>', 'what was there right after this entry')
    .option('--time <time>', 'what was committed by this time (ISO 8601)')
    .option(...KEY_FILE)
    .action(async (project: string, directories: string[], options: ProjectOptions, command: Command) => {
      await withSession(session => restoreProject(context, session, project, directories, options))(command)
    })
}

interface ProjectOptions extends KeyOption, DataKeyOptions {
  scope?: string
  table?: string
  to?: string
  toScope?: string
  toTable?: string
  data?: string
  intoExisting?: boolean
  dryRun?: boolean
  batch: string
  scratch?: string
  seq?: string
  time?: string
}

/** Restores the backups into a scratch directory, and copies what is wanted out of it. */
async function restoreProject(
  context: CommandContext,
  session: Session,
  project: string,
  backups: readonly string[],
  options: ProjectOptions,
): Promise<void> {
  const key = await readKey(context, options)
  const { scope, table, to = project, toScope, toTable } = options
  const scratch = await scratchDirectory(context, options.scratch, `${backups[0]!}.restoring`)
  const point = pointOf(options)
  const chain = await Promise.all(backups.map(directory => readBackup(directory, key)))
  await restoreBackup(backups, scratch, { ...point, ...(key && { key }) })
  const opened: Database[] = []
  try {
    const source = await openForReading(scratch)
    opened.push(source)
    const target = await targetOf(context, session, options)
    if (options.data !== undefined) opened.push(target)
    const from = { project, ...(scope !== undefined && { scope }), ...(table !== undefined && { table }) }
    const names = {
      project: to,
      ...(toScope !== undefined && { scope: toScope }),
      ...(toTable !== undefined && { table: toTable }),
    }
    const ids = chain.map(({ backupId }) => backupId)
    const result = await copyNamespace(source, target, from, {
      to: names,
      id: identityOf([ids, point, from, names]),
      batch: positiveInteger('--batch', options.batch),
      isIntoExisting: options.intoExisting === true,
      isDryRun: options.dryRun === true,
    })
    const { plan, ...counted } = result
    session.output.result({ ...counted, omitted: plan.omitted, isDryRun: options.dryRun === true }, () => {
      for (const line of describeCopy(result, options.dryRun === true)) session.output.line(line)
    })
  } finally {
    for (const each of opened.toReversed()) await each.close()
    await context.files.removeTree(scratch)
  }
}

function describeCopy({ plan, keys, rows, skipped, expired }: CopyResult, isDryRun: boolean): string[] {
  const done = skipped === 0 ? '' : `, ${skipped} of them in an earlier run`
  const gone = expired === 0 ? '' : `; the time of ${expired} was over`
  const what = isDryRun ? 'would be restored' : 'restored'
  return [
    ...plan.omitted.map(rule => `left out, for what it points to is not there: ${rule}`),
    `${plan.from} as ${plan.to}: ${keys} keys and ${rows} rows ${what}${done}${gone}`,
  ]
}

async function targetOf(context: CommandContext, session: Session, options: ProjectOptions): Promise<Database> {
  if (options.data === undefined) return await session.database()
  if ((await context.files.size(`${options.data}/identity.json`)) === undefined) {
    throw new QuorateError('not_found', `${options.data} is no data directory`)
  }
  return await Engine.open(options.data, await keysOption(context, options))
}

/** The same for the same copy. */
function identityOf(parts: unknown): string {
  const hash = streamingSha256()
  hash.update(utf8Bytes(JSON.stringify(parts)))
  return bytesToHex(hash.finish()).slice(0, 32)
}

interface MemberOptions extends KeyOption {
  config: string[]
  skipExisting?: boolean
  restoreId?: string
  seq?: string
  time?: string
}

async function restoreMembers(
  context: CommandContext,
  backups: readonly string[],
  options: MemberOptions,
  command: Command,
): Promise<void> {
  const { files, environment } = context
  const { variables } = environment
  const output = outputOf(context, command)
  const otherVariables = commandVariables(command)
  const key = await readKey(context, options)
  const members: { name: string; target: string; restored: Restored }[] = []
  const nodes = await Promise.all(
    options.config.map(file => loadConfiguration({ files, file, variables, otherVariables, flags: {} })),
  )
  const names = new Set(nodes.map(({ name }) => name))
  if (options.restoreId === undefined && names.size < nodes[0]!.members.length) {
    const message = `restore all ${nodes[0]!.members.length} members at once, or give all the same --restore-id`
    throw new QuorateError('invalid_argument', message)
  }
  const restoreId = options.restoreId ?? bytesToHex(nodePlatform().random.bytes(16))
  for (const { name, dataDirectory, members: listed, storage, encryption, integrity } of nodes) {
    if (options.skipExisting === true && (await isFinished(context, dataDirectory))) {
      context.terminal.writeError(`${dataDirectory} is in use already, and stays as it is\n`)
      continue
    }
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
  return { timeMicros: timeOption(time) }
}
