import type { BackupActions, BackupPart, BackupReadings, ContinuedBackup } from '../admin/index.ts'
import {
  archiveTarget,
  asParent,
  backupSource,
  backupToDirectory,
  createBackup,
  readManifest,
  requireContinued,
  verifyBackup,
} from '../engine/index.ts'
import type { BackupManifest, BackupProgress, BackupSource, BackupTask } from '../engine/index.ts'
import { QuorateError } from '../model/index.ts'
import { FileError } from '../platform/index.ts'
import type { Platform } from '../platform/index.ts'
import { BackupStore } from './backup-store.ts'
import type { LastBackup } from './backup-store.ts'
import { PacedStream } from './byte-stream.ts'
import type { NodeLogger } from './logger.ts'
import type { ReplicaNode } from './open-replica.ts'

export interface BackupDeskOptions {
  platform: Platform
  node: ReplicaNode
  /** Where backups of the node's own are written. */
  directory: string
  /** Whether any may be: what is in them is not encrypted. */
  mayKeep: boolean
  logger: Pick<NodeLogger, 'info' | 'warn'>
}

interface Job {
  readonly job: number
  /** Undefined = it is sent elsewhere. */
  readonly name: string | undefined
  readonly startedAtMicros: number
  readonly abort: AbortController
  progress: BackupProgress
}

interface Ended {
  readonly job: number
  readonly name: string | undefined
  readonly error?: { readonly code: string; readonly message: string }
  readonly backup?: LastBackup
}

/** A receiver that takes nothing for so long has gone. */
const STALL_MS = 60_000
/** The disk is the one of log and pages, or may be: so much of it stays free. */
const FREE_BYTES_MIN = 256 << 20
/** The free space is asked for after so many bytes. */
const CHECK_BYTES = 32 << 20

/** Makes backups of a node that serves, one at a time, and looks after those in the node's own directory. */
export class BackupDesk implements BackupActions {
  readonly #options: BackupDeskOptions
  readonly #store: BackupStore
  #jobs = 0
  #current: Job | undefined
  #running: Promise<unknown> | undefined
  #ended: Ended | undefined
  #verifiedAtMicros: number | undefined
  readonly #totals = { doneTotal: 0, failedTotal: 0, cancelledTotal: 0 }

  private constructor(options: BackupDeskOptions, store: BackupStore) {
    this.#options = options
    this.#store = store
  }

  static async open(options: BackupDeskOptions): Promise<BackupDesk> {
    const { platform, directory } = options
    return new BackupDesk(options, await BackupStore.open(platform.files, directory))
  }

  async overview(): Promise<Readonly<Record<string, unknown>>> {
    const current = this.#current
    const { role, appliedSeq } = this.#options.node.replica.status()
    return {
      role,
      appliedSeq,
      directory: this.#options.directory,
      current: current === undefined ? null : describeJob(current),
      ended: this.#ended ?? null,
      last: this.#store.last ?? null,
      verifiedAtMicros: this.#verifiedAtMicros ?? null,
      backups: await this.#store.list(current?.name),
    }
  }

  async begin(name: string | undefined, parent: string | undefined): Promise<{ job: number; name: string }> {
    const { platform, directory, mayKeep } = this.#options
    if (!mayKeep) {
      const what = 'the data directory is encrypted, and a backup in it would not be'
      throw new QuorateError('invalid_argument', `${what}: have it sent, or configure backupDirectory`)
    }
    const chosen = name ?? `backup-${Math.floor(platform.clock.wallMicros() / 1_000)}`
    const target = this.#store.pathOf(chosen)
    const parentPath = parent === undefined ? undefined : this.#store.pathOf(parent)
    const source = this.#source()
    this.#requireIdle()
    const job = this.#enter(chosen)
    try {
      if (parentPath !== undefined) {
        requireContinued(source, asParent(await readManifest(platform.files, parentPath, undefined)))
      }
      await platform.files.makeDirectory(directory)
      if (await this.#store.has(chosen)) throw new QuorateError('already_exists', `there is a backup ${chosen}`)
      await this.#requireSpace()
    } catch (error) {
      this.#current = undefined
      throw error
    }
    const watch = new SpaceWatch(() => this.#requireSpace(), job.abort)
    const work = (): Promise<BackupManifest> =>
      backupToDirectory(platform, source, target, {
        ...(parentPath !== undefined && { parent: parentPath }),
        ...this.#task(job, watch),
      })
    this.#running = this.#run(job, work, () => platform.files.removeTree(target))
    return { job: job.job, name: chosen }
  }

  // Rejects where it would throw.
  async stream(parent: ContinuedBackup | undefined): Promise<ReadableStream<Uint8Array>> {
    const { platform } = this.#options
    const source = this.#source()
    this.#requireIdle()
    if (parent !== undefined) requireContinued(source, parent)
    const job = this.#enter(undefined)
    const stream = new PacedStream(platform.timers, STALL_MS)
    stream.signal.addEventListener('abort', () => job.abort.abort(stream.signal.reason))
    this.#running = this.#run(job, () => this.#send(job, source, parent, stream))
    return stream.readable
  }

  async #send(
    job: Job,
    source: BackupSource,
    parent: ContinuedBackup | undefined,
    stream: PacedStream,
  ): Promise<BackupManifest> {
    const target = await archiveTarget(stream, this.#options.platform.random)
    try {
      const manifest = await createBackup(this.#options.platform, source, target, {
        ...(parent !== undefined && { parent }),
        ...this.#task(job),
      })
      stream.close()
      return manifest
    } catch (error) {
      const said = asQuorateError(error)
      await target.fail(said).catch(() => undefined)
      stream.close()
      throw said
    }
  }

  cancel(): boolean {
    const current = this.#current
    current?.abort.abort(new QuorateError('aborted', 'the backup was cancelled'))
    return current !== undefined
  }

  async verify(name: string): Promise<Readonly<Record<string, unknown>>> {
    const { files, clock } = this.#options.platform
    const path = this.#store.pathOf(name)
    this.#requireIdle()
    const manifest = await verifyBackup({ files }, path)
    this.#verifiedAtMicros = clock.wallMicros()
    return { name, isWhole: true, ...manifest }
  }

  async manifest(name: string): Promise<Readonly<Record<string, unknown>>> {
    return { name, ...(await readManifest(this.#options.platform.files, this.#store.pathOf(name), undefined)) }
  }

  part(name: string, file: string, fromByte: number): Promise<BackupPart> {
    return this.#store.part(name, file, fromByte)
  }

  async remove(name: string): Promise<void> {
    const path = this.#store.pathOf(name)
    if (this.#current?.name === name) throw new QuorateError('busy', `${name} is being made`, { retryable: true })
    if (!(await this.#store.has(name))) throw new QuorateError('not_found', `there is no backup ${name}`)
    await this.#options.platform.files.removeTree(path)
  }

  get readings(): BackupReadings {
    const { last } = this.#store
    const { progress } = this.#current ?? {}
    return {
      isRunning: this.#current !== undefined,
      writtenBytes: progress === undefined ? 0 : progress.imageBytes + progress.entryBytes,
      ...this.#totals,
      last: last && { atMicros: last.takenAtMicros, ...last },
      verifiedAtMicros: this.#verifiedAtMicros,
      nowMicros: this.#options.platform.clock.wallMicros(),
    }
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#current?.abort.abort(new QuorateError('closed', 'the node stops'))
    await this.#running
  }

  /** What this node can give away. @throws QuorateError `fenced`, `unjoined`, `closed` */
  #source(): BackupSource {
    const { replica, machine, log } = this.#options.node
    replica.requireTrusted()
    if (machine.appliedSeq === 0)
      throw new QuorateError('unjoined', 'there is nothing on this node', { retryable: true })
    return backupSource(machine, log, () => replica.requireTrusted())
  }

  #requireIdle(): void {
    if (this.#current === undefined) return
    throw new QuorateError('busy', 'a backup of this node is under way', { retryable: true, backoffMs: 1_000 })
  }

  #enter(name: string | undefined): Job {
    const { clock } = this.#options.platform
    const progress: BackupProgress = { phase: 'images', imageBytes: 0, entryBytes: 0 }
    const job = { job: ++this.#jobs, name, startedAtMicros: clock.wallMicros(), abort: new AbortController(), progress }
    this.#current = job
    return job
  }

  #task(job: Job, watch?: SpaceWatch): Pick<BackupTask, 'signal' | 'onProgress'> {
    return {
      signal: job.abort.signal,
      onProgress: progress => {
        job.progress = progress
        watch?.note(progress)
      },
    }
  }

  /** Resolves however it ends. `undo` removes what there is of it. */
  async #run(job: Job, work: () => Promise<BackupManifest>, undo?: () => Promise<void>): Promise<void> {
    const { logger, node, platform } = this.#options
    const startedMs = platform.clock.monotonicMs()
    const hold = node.replica.holdLog()
    try {
      const manifest = await work()
      const durationMs = platform.clock.monotonicMs() - startedMs
      const backup = lastOf(manifest, job.name, durationMs)
      await this.#store.remember(backup)
      this.#totals.doneTotal++
      this.#ended = { job: job.job, name: job.name, backup }
      logger.info({ ...backup }, 'a backup is finished')
    } catch (error) {
      const { code, message } = asQuorateError(error)
      this.#totals[code === 'aborted' || code === 'closed' ? 'cancelledTotal' : 'failedTotal']++
      this.#ended = { job: job.job, name: job.name, error: { code, message } }
      logger.warn({ name: job.name, code, error: message }, 'a backup came to nothing')
      await undo?.().catch((failure: unknown) => logger.warn({ error: String(failure) }, 'its remains stay'))
    } finally {
      hold.release()
      this.#current = undefined
    }
  }

  async #requireSpace(): Promise<void> {
    const { platform, directory } = this.#options
    const free = await platform.files.freeBytes(directory)
    if (free >= FREE_BYTES_MIN) return
    throw new QuorateError('out_of_space', `${free} bytes are free below ${directory}; ${FREE_BYTES_MIN} have to stay`)
  }
}

/** Looks now and then whether the disk has room for more, and ends the backup before the node itself would run out of it. */
class SpaceWatch {
  readonly #check: () => Promise<void>
  readonly #abort: AbortController
  #checkedBytes = 0

  constructor(check: () => Promise<void>, abort: AbortController) {
    this.#check = check
    this.#abort = abort
  }

  note({ imageBytes, entryBytes }: BackupProgress): void {
    const bytes = imageBytes + entryBytes
    if (bytes - this.#checkedBytes < CHECK_BYTES) return
    this.#checkedBytes = bytes
    this.#check().catch((error: unknown) => this.#abort.abort(error))
  }
}

function lastOf(
  { backupId, type, head, takenAtMicros, files }: BackupManifest,
  name: string | undefined,
  durationMs: number,
): LastBackup {
  const bytes = files.images.bytes + files.entries.bytes
  return { backupId, name: name ?? null, type, seq: head.seq, takenAtMicros, bytes, durationMs: Math.round(durationMs) }
}

function describeJob({ job, name, startedAtMicros, progress }: Job): Readonly<Record<string, unknown>> {
  return { job, name: name ?? null, startedAtMicros, ...progress }
}

function asQuorateError(error: unknown): QuorateError {
  if (error instanceof QuorateError) return error
  if (error instanceof FileError && error.code === 'no_space') {
    return new QuorateError('out_of_space', error.message, { cause: error })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new QuorateError(error instanceof FileError ? 'storage_failed' : 'internal', message, { cause: error })
}
