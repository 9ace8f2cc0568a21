import { hexToBytes } from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'
import { LogError, openDataDirectory, openLog } from '../log/index.ts'
import type { DataDirectory, Log, Recovered } from '../log/index.ts'
import { createDatabase, QuorateError, ROOT_CALLER } from '../model/index.ts'
import type { Database } from '../model/index.ts'
import type { Platform } from '../platform/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import { applyLog } from './apply-log.ts'
import { asDamaged } from './damaged-error.ts'
import { backupSource, backupToDirectory } from './backup/index.ts'
import type { BackupManifest, BackupOptions } from './backup/index.ts'
import type { KeyspaceDamage } from './keyspace/index.ts'
import { LocalCore } from './local-core.ts'
import type { LocalCoreOptions } from './local-core.ts'
import { LocalReads, LocalView } from './local-view.ts'
import { LOCAL_TERM } from './local-sequencer.ts'
import { openForSalvage } from './open-state-machine.ts'
import type { EngineStateMachine } from './state-machine.ts'

export interface PermissiveOptions {
  /** Memory for pages, large values, the catalog and copies of sessions; default 256 MiB. */
  budgetBytes?: number
  /** Of an encrypted or signed directory. */
  keys?: ConfiguredKeys
}

/** One thing that does not hold. */
export interface RecoveryDiagnostic {
  /** What it is: `superblock`, `page`, `extent`, `digests`, or a kind of damage of the log (`frame`, `segment_header`, ...). */
  readonly kind: string
  readonly file: string
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly length: number
  /** What should be there, and what is; checksums are hexadecimal. */
  readonly expected: string
  readonly actual: string
}

/** What a permissive opening has found, and what it shows. */
export interface RecoveryReport {
  readonly diagnostics: readonly RecoveryDiagnostic[]
  /** The state that is shown is that after this entry, as far as it could be proven. */
  readonly seq: number
  /** False: records are missing from it, and nothing of what the log has beyond it was applied. */
  readonly isComplete: boolean
  /** The last entry that is known to have been there. */
  readonly lastKnownSeq: number
}

/** What of a damaged database can be proven. It takes no writes (`read_only`). */
export interface PermissiveEngine extends Database {
  readonly recovery: RecoveryReport
  snapshot(options?: { caller?: string }): LocalView
  newest(options?: { caller?: string }): LocalReads
  /** As of `Engine`. Rejects with QuorateError `damaged` if records are missing: a backup says that it is whole. */
  backup(directory: string, options?: BackupOptions): Promise<BackupManifest>
}

const GROUP_ID = 1
const REPLAY_BYTES = 4 << 20

/**
 * Opens a directory for whatever can be proven of it: the newest state that is whole, with the log up to where it is damaged, or else the
 * newest one without its damaged ranges. Changes nothing but `trust.json`: from now on the directory is not opened strictly before an
 * operator has decided that (`quorate check data --accept`).
 * @throws QuorateError `not_found`, `invalid_argument` if it belongs to a node of a cluster, `damaged` if nothing can be proven, and as
 * `openEngine` about keys and locks
 */
export async function openPermissively(
  path: string,
  options: PermissiveOptions,
  platform: Platform,
): Promise<PermissiveEngine> {
  const { files, random, ciphers } = platform
  if ((await files.size(`${path}/identity.json`)) === undefined) {
    throw new QuorateError('not_found', `${path} is no data directory`)
  }
  const place = { files, random, ciphers, path, groupId: GROUP_ID, keys: options.keys }
  const owned = await openDataDirectory({ ...place, durability: 'full', pageBytes: 8192, recovery: 'permissive' })
  const salvage = new Salvage(owned, options, platform)
  try {
    return await salvage.open()
  } catch (error) {
    await salvage.close()
    throw asDamaged(error)
  }
}

class Salvage {
  readonly #directory: DataDirectory
  readonly #options: PermissiveOptions
  readonly #platform: Platform
  readonly #diagnostics: RecoveryDiagnostic[] = []
  #log: Log | undefined
  #machine: EngineStateMachine | undefined

  constructor(directory: DataDirectory, options: PermissiveOptions, platform: Platform) {
    this.#directory = directory
    this.#options = options
    this.#platform = platform
  }

  async open(): Promise<PermissiveEngine> {
    const recovered = await this.#openLog()
    const { machine, isWhole, damage } = await this.#openState()
    this.#machine = machine
    for (const each of damage) this.#diagnostics.push(each)
    requireOwn(machine, recovered, this.#directory.path)
    if (isWhole) await this.#replay(machine)
    const lastKnownSeq = Math.max(machine.appliedSeq, recovered?.lastSeq ?? 0, recovered?.hardState.commitSeq ?? 0)
    const report: RecoveryReport = {
      diagnostics: this.#diagnostics,
      seq: machine.appliedSeq,
      isComplete: isWhole,
      lastKnownSeq,
    }
    return this.#surface(machine, report)
  }

  async close(): Promise<void> {
    await this.#machine?.close().catch(() => undefined)
    await this.#log?.close().catch(() => undefined)
    await this.#directory.close(undefined)
  }

  /** Undefined if there is no log at all. */
  async #openLog(): Promise<Recovered | undefined> {
    const { path, identity, seal, closedAt } = this.#directory
    try {
      const { log, recovered } = await openLog({
        files: this.#platform.files,
        threads: this.#platform.threads,
        directory: path,
        directoryId: hexToBytes(identity.directoryId),
        groupId: GROUP_ID,
        seal,
        lane: 'inline',
        tailCacheBytes: 0,
        isReadOnly: true,
        ...(closedAt !== undefined && { closedAt }),
      })
      this.#log = log
      for (const { kind, file, offset, what } of recovered.damage) {
        this.#report(kind, file, offset, 'what was acknowledged, whole and in its place', what)
      }
      return recovered
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      this.#report(error.code, `${path}/log`, 0, 'the log', error.message)
      return undefined
    }
  }

  #report(kind: string, file: string, offset: number, expected: string, actual: string): void {
    this.#diagnostics.push({ kind, file, offset, length: 0, expected, actual })
  }

  /**
   * The newest state if it is whole; else the one before, if that is and the log goes on from it: then nothing is lost. Else the newest one
   * that opens, without its damaged ranges.
   */
  async #openState(): Promise<{ machine: EngineStateMachine; isWhole: boolean; damage: RecoveryDiagnostic[] }> {
    const newest = await this.#tryState('newest')
    if (newest.opened?.isWhole === true) return { ...newest.opened, damage: newest.damage }
    const older = await this.#tryState('older')
    const from = older.opened?.machine.appliedSeq ?? -1
    const canGoOn = older.opened?.isWhole === true && this.#log !== undefined && this.#log.base.seq <= from
    if (older.opened !== undefined && (canGoOn || newest.opened === undefined)) {
      await newest.opened?.machine.close()
      return { ...older.opened, damage: [...newest.damage, ...older.damage] }
    }
    await older.opened?.machine.close()
    if (newest.opened !== undefined) return { ...newest.opened, damage: newest.damage }
    throw newest.error
  }

  async #tryState(base: 'newest' | 'older'): Promise<{
    opened?: { machine: EngineStateMachine; isWhole: boolean }
    error?: unknown
    damage: RecoveryDiagnostic[]
  }> {
    const { path, identity, seal } = this.#directory
    const { files, clock, timers } = this.#platform
    const damage: KeyspaceDamage[] = []
    try {
      const opened = await openForSalvage(
        {
          files,
          clock,
          timers,
          directory: path,
          directoryId: identity.directoryId,
          groupId: GROUP_ID,
          pageBytes: identity.pageBytes,
          budgetBytes: this.#options.budgetBytes ?? 256 << 20,
          cursorSecret: hexToBytes(identity.directoryId),
          seal,
        },
        { base, onDamage: each => damage.push(each) },
      )
      return { opened, damage }
    } catch (error) {
      return { error, damage }
    }
  }

  /** Applies what the log has, up to the first place that does not hold. */
  async #replay(machine: EngineStateMachine): Promise<void> {
    const log = this.#log
    if (log === undefined || machine.appliedSeq < log.base.seq) return
    try {
      await applyLog(machine, log)
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      const [first] = error.damage
      const file = first?.file ?? `${this.#directory.path}/log`
      this.#report('frame', file, first?.offset ?? 0, `entry ${machine.appliedSeq + 1}`, error.message)
    }
  }

  #surface(machine: EngineStateMachine, recovery: RecoveryReport): PermissiveEngine {
    const { clock, timers, random } = this.#platform
    const log = this.#log
    const entries = (from: number): Promise<EntryBatch> =>
      log?.read(from, REPLAY_BYTES) ?? Promise.reject(new QuorateError('seq_unavailable', 'there is no log'))
    const session: LocalCoreOptions['session'] = {
      submit: submission => {
        submission.settle(undefined, new QuorateError('read_only', 'the database was opened permissively'))
      },
      abandon: () => undefined,
    }
    // Nothing is written, so nobody waits for it.
    const sequencer = { failure: undefined, durableSeq: machine.appliedSeq, untilDurable: () => Promise.resolve() }
    let closing: Promise<void> | undefined
    const close = (): Promise<void> => (closing ??= this.close())
    const core = new LocalCore({ machine, sequencer, clock, timers, random, entries, session, close })
    return Object.assign(createDatabase(core), {
      recovery,
      snapshot: ({ caller = ROOT_CALLER }: { caller?: string } = {}) => {
        return new LocalView(core.openLocalView(), caller)
      },
      newest: ({ caller = ROOT_CALLER }: { caller?: string } = {}) => {
        core.requireOpen()
        return new LocalReads(machine.newest, caller)
      },
      backup: async (directory: string, options: BackupOptions = {}) => {
        core.requireOpen()
        if (!recovery.isComplete || log === undefined) {
          throw new QuorateError('damaged', 'records are missing: read what is there, and write it elsewhere')
        }
        return backupToDirectory(this.#platform, backupSource(machine, log), directory, options)
      },
    })
  }
}

/** As for a strict opening: of a log with other members nobody knows here what is committed. */
function requireOwn({ configuration }: EngineStateMachine, recovered: Recovered | undefined, path: string): void {
  const isOwnTerm = (recovered?.hardState.term ?? LOCAL_TERM) <= LOCAL_TERM
  if (isOwnTerm && (configuration?.members.length ?? 1) === 1) return
  throw new QuorateError(
    'invalid_argument',
    `${path} belongs to a node of a cluster, which its other members hold as well`,
  )
}
