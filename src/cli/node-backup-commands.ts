import type { Command } from 'commander'
import { readBackup, receiveBackup, signBackup, verifyBackup } from '../entry/engine.ts'
import type { BackupManifest } from '../entry/engine.ts'
import { QuorateError } from '../model/index.ts'
import { nodePlatform } from '../node/index.ts'
import { delayOn, readTextFile, replaceTextFile } from '../platform/index.ts'
import type { Files } from '../platform/index.ts'
import { adminAnswer, adminStream } from './admin-calls.ts'
import { describeBackup, KEY_FILE, readKey } from './backup-text.ts'
import type { CommandContext, Session, WithSession } from './context.ts'
import { positiveInteger } from './context.ts'

const BACKUPS = '/admin/v1/backups'
const POLL_MS = 200
const TRIES = '3'
/** A backup is read as a whole before the node answers. */
const VERIFY_MS = 6 * 3_600_000

/** What a node says of its backups. */
export interface NodeBackups {
  readonly role: string
  readonly appliedSeq: number
  readonly current: { readonly job: number; readonly phase: string; imageBytes: number; entryBytes: number } | null
  readonly ended: {
    readonly job: number
    readonly error?: { readonly code: QuorateError['code']; readonly message: string }
  } | null
  readonly last: { readonly seq: number; readonly takenAtMicros: number } | null
  readonly backups: readonly {
    readonly name: string
    readonly manifest?: BackupManifest
    error?: { message: string }
  }[]
}

/** `quorate backup` of nodes that serve: what they keep themselves (`on-node`), and what is fetched from there. */
export function addNodeBackupCommands(backup: Command, context: CommandContext, withSession: WithSession): void {
  const onNode = backup
    .command('on-node')
    .description('backups in the own directory of a node: the first of --endpoints')
  onNode
    .command('create [name]')
    .description('has the node write a backup into its own directory, and waits for it')
    .option('--parent <name>', 'the backup of the node that this one continues')
    .option('--no-wait', 'returns once it has begun')
    .action(withSession(createOnNode))
  onNode.command('list').description('what the node has, and what it is at').action(withSession(listOnNode))
  onNode
    .command('verify <name>')
    .description('has the node compare every file and record of a backup with its checksum')
    .action(
      withSession(async (session, command) => {
        const asked = { method: 'POST', path: `${BACKUPS}/${nameOf(command)}/verify`, timeoutMs: VERIFY_MS } as const
        const answer: unknown = JSON.parse(await adminAnswer(session, nodeOf(session), asked))
        session.output.result(answer, () => session.output.line(`${nameOf(command)}: whole`))
      }),
    )
  onNode
    .command('cancel')
    .description('ends the backup that the node is making')
    .action(
      withSession(async session => {
        const { isCancelled } = await call<{ isCancelled: boolean }>(session, 'POST', `${BACKUPS}/cancel`)
        const what = isCancelled ? 'the backup is cancelled' : 'no backup was under way'
        session.output.result({ isCancelled }, () => session.output.line(what))
      }),
    )
  onNode
    .command('remove <name>')
    .description('removes a backup from the node')
    .action(
      withSession(async (session, command) => {
        const answer = await call(session, 'DELETE', `${BACKUPS}/${nameOf(command)}`)
        session.output.result(answer, () => session.output.line(`${nameOf(command)} is removed`))
      }),
    )
  onNode
    .command('fetch <name> <directory>')
    .description('copies a backup of the node to this machine; goes on where an earlier run was interrupted')
    .option(...KEY_FILE)
    .action(withSession(async (session, command) => fetchFromNode(context, session, command)))
}

/** Makes a backup of a node that serves, sent while it is made: of a follower where there is one. */
export async function createFromNode(
  context: CommandContext,
  session: Session,
  directory: string,
  options: { parent?: string; keyFile?: string; attempts?: string },
): Promise<void> {
  const key = await readKey(context, options)
  const attempts = positiveInteger('--attempts', options.attempts ?? TRIES)
  const before = options.parent === undefined ? undefined : await readBackup(options.parent, key)
  const parent = before && {
    backupId: before.backupId,
    historyId: before.historyId,
    stateSeq: before.state.seq,
    headSeq: before.head.seq,
  }
  const { timers } = nodePlatform()
  for (let attempt = 1; ; attempt++) {
    try {
      const endpoint = await chooseNode(session, before?.head.seq ?? 0)
      const body = { ...(parent && { parent }) }
      const parts = await adminStream(session, endpoint, { method: 'POST', path: `${BACKUPS}/stream`, body })
      const manifest = await receiveBackup(endpoint, parts, directory, key)
      if (manifest.parentId !== before?.backupId) {
        throw new QuorateError('internal', `${endpoint} has sent a backup that does not continue ${options.parent}`)
      }
      session.output.result({ directory, endpoint, ...manifest }, () =>
        session.output.line(`${describeBackup(directory, manifest)}, of ${endpoint}`),
      )
      return
    } catch (error) {
      // What came is gone again: another try begins anew.
      if (!(error instanceof QuorateError) || !error.retryable || attempt >= attempts) throw error
    }
    await delayOn(timers, POLL_MS * attempt, undefined)
  }
}

/** A follower that is far enough, else the leader, else whoever answers. @throws QuorateError `unavailable` */
async function chooseNode(session: Session, minSeq: number): Promise<string> {
  const answers = await Promise.allSettled(
    session.adminEndpoints.map(async endpoint => ({ endpoint, ...(await overview(session, endpoint)) })),
  )
  const nodes = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
  const able = nodes.filter(({ appliedSeq, current }) => appliedSeq >= minSeq && current === null)
  const chosen = able.find(({ role }) => role === 'follower') ?? able[0] ?? nodes[0]
  if (chosen !== undefined) return chosen.endpoint
  const [refused] = answers
  throw refused?.status === 'rejected' ? refused.reason : new QuorateError('unavailable', 'no node is named')
}

async function overview(session: Session, endpoint: string): Promise<NodeBackups> {
  return JSON.parse(await adminAnswer(session, endpoint, { method: 'GET', path: BACKUPS })) as NodeBackups
}

async function call<T>(session: Session, method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
  return JSON.parse(await adminAnswer(session, nodeOf(session), { method, path, body })) as T
}

function nodeOf({ adminEndpoints }: Session): string {
  return adminEndpoints[0]!
}

function nameOf({ args }: Command): string {
  return encodeURIComponent(args[0] ?? '')
}

async function createOnNode(session: Session, command: Command): Promise<void> {
  const { parent, wait } = command.opts<{ parent?: string; wait: boolean }>()
  const [name] = command.args
  const begun = await call<{ job: number; name: string }>(session, 'POST', BACKUPS, { name, parent })
  const { output } = session
  if (!wait) return output.result(begun, () => output.line(`${begun.name} has begun`))
  const { timers } = nodePlatform()
  for (;;) {
    const { current, ended, backups } = await overview(session, nodeOf(session))
    if (current?.job !== begun.job) {
      const { error } = ended?.job === begun.job ? ended : {}
      if (error !== undefined) throw new QuorateError(error.code, error.message)
      const manifest = backups.find(one => one.name === begun.name)?.manifest
      if (manifest === undefined) throw new QuorateError('not_found', `the node has no finished backup ${begun.name}`)
      return output.result({ name: begun.name, ...manifest }, () => output.line(describeBackup(begun.name, manifest)))
    }
    await delayOn(timers, POLL_MS, undefined)
  }
}

async function listOnNode(session: Session): Promise<void> {
  const found = await overview(session, nodeOf(session))
  session.output.result(found, () => {
    const { output } = session
    const { current, backups } = found
    for (const { name, manifest, error } of backups) {
      output.line(manifest === undefined ? `${name}: ${error?.message}` : describeBackup(name, manifest))
    }
    if (current !== null) {
      output.line(`under way: ${current.phase}, ${current.imageBytes + current.entryBytes} bytes`)
    }
  })
}

/** The manifest until everything is there: what it describes is being fetched. */
const UNFINISHED = 'manifest.partial'

async function fetchFromNode(context: CommandContext, session: Session, command: Command): Promise<void> {
  const { files } = context
  const [, directory = ''] = command.args
  const key = await readKey(context, command.opts<{ keyFile?: string }>())
  const endpoint = nodeOf(session)
  const path = `${BACKUPS}/${nameOf(command)}`
  const text = await adminAnswer(session, endpoint, { method: 'GET', path: `${path}/manifest.json` })
  await beginFetch(files, directory, text)
  const { files: described } = JSON.parse(text) as BackupManifest
  for (const part of ['images', 'entries', 'manifest.check'] as const) {
    const target = `${directory}/${part}`
    const total = part === 'manifest.check' ? 0 : described[part].bytes
    const there = (await files.size(target)) ?? 0
    const from = there > total ? 0 : there
    if (from === total && total > 0) continue
    const headers = from === 0 ? {} : { range: `bytes=${from}-` }
    const parts = await adminStream(session, endpoint, { method: 'GET', path: `${path}/${part}`, headers })
    await append(files, target, from, parts)
  }
  await files.rename(`${directory}/${UNFINISHED}`, `${directory}/manifest.json`)
  await files.syncDirectory(directory)
  const manifest = key === undefined ? await verifyBackup(directory) : await signBackup(directory, key)
  session.output.result({ directory, ...manifest }, () => session.output.line(describeBackup(directory, manifest)))
}

/** @throws QuorateError `invalid_argument` if something else is in `directory` */
async function beginFetch(files: Files, directory: string, manifest: string): Promise<void> {
  await files.makeDirectory(directory)
  const begun = await readTextFile(files, `${directory}/${UNFINISHED}`)
  if (begun === manifest) return
  if (begun !== undefined) throw new QuorateError('invalid_argument', `${directory} holds part of another backup`)
  if ((await files.list(directory)).length > 0) throw new QuorateError('invalid_argument', `${directory} is not empty`)
  await replaceTextFile(files, directory, UNFINISHED, manifest)
}

async function append(files: Files, path: string, from: number, parts: AsyncIterable<Uint8Array>): Promise<void> {
  if (from === 0) await files.remove(path)
  const file = await files.open(path, from === 0 ? 'create' : 'readWrite')
  try {
    let at = from
    for await (const part of parts) {
      await file.write(part, at)
      at += part.length
    }
    await file.sync()
  } finally {
    await file.close()
  }
}
