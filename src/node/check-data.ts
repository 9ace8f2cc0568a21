import { hexToBytes } from '../encoding/index.ts'
import { inspectInvariants, inspectState } from '../engine/index.ts'
import type { Inconsistency } from '../engine/index.ts'
import {
  acceptDirectory,
  inspectLog,
  isDataDirectory,
  LogError,
  NO_SUPERBLOCK,
  readIdentity,
  readTrust,
} from '../log/index.ts'
import type {
  DamageReport,
  DirectoryIdentity,
  DurableState,
  InspectedFrame,
  LogInspection,
  SuperblockProof,
  TrustMarker,
} from '../log/index.ts'
import { QuorateError } from '../model/index.ts'
import { readTextFile } from '../platform/index.ts'
import type { Files, Platform } from '../platform/index.ts'
import { KEYS_NAME, openSeal, readKeyNumbers } from '../sealing/index.ts'
import type { ConfiguredKeys, Seal } from '../sealing/index.ts'

/** One place of a data directory, as `quorate check data --output json` prints it. */
export interface DataRegion {
  readonly file: string
  readonly offset: number
  readonly length: number
  readonly kind: string
  /** First and last seq in it, where it has any. */
  readonly seqs?: readonly [number, number]
  /**
   * `torn`: cut by a crash and never acknowledged. `suspect`: an end of the log of which nobody can tell, in its place or kept aside.
   * Recovery deals with both; only `damaged` keeps a node from starting. The rest is sound: `ok`, `valid`, `void`, `resolved`.
   */
  readonly state: string
  readonly reason?: string
}

export interface DataCheck {
  /** The worst that was found. A node starts from all but `damaged`, and does not look for `inconsistent` (docs/operate/check-data.md). */
  readonly verdict: 'clean' | 'torn' | 'suspect' | 'inconsistent' | 'damaged'
  readonly regions: readonly DataRegion[]
  readonly damage: readonly DataRegion[]
  /**
   * Records of the newest checkpoint that do not go together, the first thousand; absent if these were not looked at, as where something is
   * damaged.
   */
  readonly inconsistencies?: readonly Inconsistency[]
  /** How many there are. */
  readonly inconsistencyCount?: number
  /** Whether it was ever opened permissively; without a decision since, nothing opens it strictly. */
  readonly trust?: TrustMarker
}

interface LogResult {
  readonly verdict: DataCheck['verdict']
  /** What the log says of the superblocks. */
  readonly superblock: SuperblockProof
  /** What is wrong with it as the log that a state goes on from; absent if it could not be read. */
  readonly damageBehind?: LogInspection['damageBehind']
}

const INSPECTION_BUDGET_BYTES = 32 << 20

export interface CheckOptions {
  /** Hears how much of the files has been looked at, 0 to 1. */
  readonly onShare?: (share: number) => void
  /** An operator's decision, if nothing is damaged, that the directory may be used again after it was opened permissively: why. */
  readonly accept?: string
  /** Also whether the records go together: each is read once more, and some are looked up. */
  readonly withInvariants?: boolean
  /** For a directory that is encrypted or signed. */
  readonly sealing?: Pick<Platform, 'random' | 'ciphers'> & { readonly keys?: ConfiguredKeys | undefined }
}

/**
 * Reads every page, value and frame of a data directory that no node has open; changes nothing in it but the lock for as long as that
 * takes, and what `accept` records.
 * @throws FileError `directory_locked` naming the holder; QuorateError `not_found` if there is no data directory; `seal_key_missing`,
 * `seal_key_wrong`, `not_sealed` if the keys are not the directory's
 */
export async function checkDataDirectory(
  files: Files,
  directory: string,
  { onShare, sealing, accept, withInvariants = false }: CheckOptions = {},
): Promise<DataCheck> {
  if (!(await isDataDirectory(files, directory))) {
    throw new QuorateError('not_found', `${directory} is no data directory`)
  }
  const lock = await files.lock(directory)
  try {
    const found = await new Inspection(files, directory, onShare, sealing).run(withInvariants)
    const { verdict } = found
    if (accept !== undefined && verdict !== 'damaged' && verdict !== 'inconsistent') {
      await acceptDirectory(files, directory, { note: accept, verdict })
    }
    const trust = await readTrust(files, directory)
    return { ...found, ...(trust && { trust }) }
  } finally {
    await lock.release()
  }
}

class Inspection {
  readonly #files: Files
  readonly #directory: string
  readonly #regions: DataRegion[] = []
  readonly #damage: DataRegion[] = []
  readonly #onShare: CheckOptions['onShare']
  readonly #sealing: CheckOptions['sealing']
  #seal: Seal | undefined
  /** Bytes of the log and of the pages. */
  #bytes = 0
  #lookedAt = 0

  constructor(files: Files, directory: string, onShare: CheckOptions['onShare'], sealing: CheckOptions['sealing']) {
    this.#sealing = sealing
    this.#files = files
    this.#directory = directory
    this.#onShare = onShare
  }

  async run(withInvariants: boolean): Promise<DataCheck> {
    const identity = await this.#readIdentity()
    // A directory whose creation was interrupted never held anything.
    if (identity === undefined || !identity.isComplete) return this.#result('clean')
    this.#seal = await this.#openSeal(identity)
    if (this.#damage.length > 0) return this.#result('damaged')
    await this.#measure()
    const { verdict, superblock, damageBehind } = await this.#inspectLog(identity)
    const state = await this.#inspectPages(identity, superblock)
    // Both are sound, but not necessarily of one moment.
    if (state !== undefined && this.#damage.length === 0) this.#addLogDamage(damageBehind?.(state))
    const physical = this.#result(verdict)
    if (!withInvariants || physical.verdict === 'damaged') return physical
    const { found, count } = await inspectInvariants(this.#stateOptions(identity))
    const logical = { inconsistencies: found, inconsistencyCount: count }
    return { ...physical, ...logical, ...(count > 0 && { verdict: 'inconsistent' as const }) }
  }

  /** Keys that are not the directory's end the inspection: without them nothing could be told from damage. */
  async #openSeal({ directoryId }: DirectoryIdentity): Promise<Seal | undefined> {
    const file = `${this.#directory}/${KEYS_NAME}`
    const length = await this.#files.size(file)
    const sealing = this.#sealing
    try {
      if (sealing === undefined) {
        if ((await readKeyNumbers(this.#files, this.#directory)).length === 0) return undefined
        throw new QuorateError('seal_key_missing', `${this.#directory} needs its keys, and none are configured`)
      }
      const place = { files: this.#files, path: this.#directory, directoryId }
      const seal = await openSeal({ ...place, ...sealing }, 'look')
      if (length !== undefined) this.#add({ file, offset: 0, length, kind: 'keys', state: 'ok' })
      return seal
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== 'damaged') throw error
      this.#add({ file, offset: 0, length: length ?? 0, kind: 'keys', state: 'damaged', reason: error.message })
      return undefined
    }
  }

  async #measure(): Promise<void> {
    for (const area of ['log', 'pages']) {
      const path = `${this.#directory}/${area}`
      for (const name of await this.#files.list(path).catch(() => [])) {
        this.#bytes += (await this.#files.size(`${path}/${name}`)) ?? 0
      }
    }
  }

  #looked(bytes: number): void {
    this.#lookedAt += bytes
    if (this.#bytes > 0) this.#onShare?.(Math.min(1, this.#lookedAt / this.#bytes))
  }

  #result(logVerdict: DataCheck['verdict']): DataCheck {
    const isTorn = logVerdict === 'clean' && this.#regions.some(({ state }) => state === 'torn')
    const verdict = this.#damage.length > 0 ? 'damaged' : isTorn ? 'torn' : logVerdict
    return { verdict, regions: this.#regions, damage: this.#damage }
  }

  #add(region: DataRegion): void {
    this.#regions.push(region)
    if (region.state === 'damaged') this.#damage.push(region)
  }

  async #readIdentity(): Promise<DirectoryIdentity | undefined> {
    const file = `${this.#directory}/identity.json`
    const length = (await readTextFile(this.#files, file))?.length ?? 0
    try {
      const identity = await readIdentity(this.#files, this.#directory)
      this.#add({ file, offset: 0, length, kind: 'identity', state: 'ok' })
      return identity
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      this.#add({ file, offset: 0, length, kind: 'identity', state: 'damaged', reason: error.message })
      return undefined
    }
  }

  async #inspectPages(identity: DirectoryIdentity, proof: SuperblockProof): Promise<DurableState | undefined> {
    const file = `${this.#directory}/pages/data`
    if ((await this.#files.size(file)) === undefined) {
      const place = { file, offset: 0, length: 0, kind: 'superblock' }
      this.#add({ ...place, state: 'damaged', reason: 'the page file is missing' })
      return undefined
    }
    return inspectState(this.#stateOptions(identity), proof, ({ seq, ...region }) => {
      this.#add({ ...region, ...(seq > 0 && { seqs: [seq, seq] as const }) })
      this.#looked(region.length)
    })
  }

  #stateOptions({ directoryId, groupId, pageBytes }: DirectoryIdentity): Parameters<typeof inspectInvariants>[0] {
    return {
      files: this.#files,
      directory: this.#directory,
      directoryId,
      groupId,
      pageBytes,
      budgetBytes: INSPECTION_BUDGET_BYTES,
      clock: { monotonicMs: () => 0, wallMicros: () => 0 },
      seal: this.#seal,
    }
  }

  async #inspectLog({ directoryId, groupId, closedAt }: DirectoryIdentity): Promise<LogResult> {
    const frames: InspectedFrame[] = []
    try {
      const found = await inspectLog(
        {
          files: this.#files,
          directory: this.#directory,
          directoryId: hexToBytes(directoryId),
          groupId,
          seal: this.#seal,
          ...(closedAt !== null && { closedAt }),
        },
        frame => {
          frames.push(frame)
          this.#looked(frame.length)
        },
      )
      const reasons = new Map(found.damage.map(({ file, offset, what }) => [`${file} ${offset}`, what]))
      for (const { fault, isTorn = false, ...region } of found.fixed) {
        const state = isTorn ? 'torn' : 'damaged'
        this.#add({ ...region, ...(fault === undefined ? { state: 'ok' } : { state, reason: fault }) })
      }
      for (const { file, offset, length, seqs, state } of frames) {
        const isCut = (state === 'torn' || state === 'suspect') && closedAt !== null
        const reason = isCut
          ? 'the log was closed in order, but its end is not whole'
          : reasons.get(`${file} ${offset}`)
        const range = seqs && { seqs: [seqs.first, seqs.last] as const }
        const place = { file, offset, length, kind: 'frame', ...range, state: isCut ? 'damaged' : state }
        this.#add({ ...place, ...(reason !== undefined && { reason }) })
      }
      for (const { file, isResolved } of found.keptAside) {
        const length = (await this.#files.size(file)) ?? 0
        this.#add({ file, offset: 0, length, kind: 'kept_aside', state: isResolved ? 'resolved' : 'suspect' })
      }
      for (const each of found.damage) this.#addLogDamage(each)
      return found
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      const file = `${this.#directory}/log`
      this.#add({ file, offset: 0, length: 0, kind: 'log', state: 'damaged', reason: error.message })
      return { verdict: 'damaged', superblock: NO_SUPERBLOCK }
    }
  }

  /** A place that is not listed yet. */
  #addLogDamage(damage: DamageReport | undefined): void {
    if (damage === undefined) return
    const { file, offset, what } = damage
    if (this.#damage.some(region => region.file === file && region.offset === offset)) return
    this.#add({ file, offset, length: 0, kind: 'log', state: 'damaged', reason: what })
  }
}
