import type { File, Files } from '../../platform/index.ts'
import type { Seal } from '../../sealing/index.ts'
import { equalDigests } from '../../encoding/index.ts'
import { invariant } from './assert.ts'
import { Checkpointer } from './checkpoint.ts'
import { PageDamage } from './damage.ts'
import { CHECKSUM_KNOWN, STAGED } from './frames.ts'
import { PAGE_SIZES, PageKind, SUPERBLOCK_AREA_BYTES } from './layout.ts'
import { readChain, readMap } from './map-file.ts'
import type { Mutants } from './mutants.ts'
import { PageFile } from './page-file.ts'
import { Pager } from './pager.ts'
import type { DeadPages, RetentionOptions, Root } from './roots.ts'
import type { SlottedRecords, SpaceLength } from './spaces.ts'
import { SpaceDigests } from './spaces.ts'
import { Storage } from './storage.ts'
import type { SuperblockSlot } from './superblock-slots.ts'
import { readSlots, wholeSuperblocks } from './superblock-slots.ts'
import type { KeyspaceIdentity, SuperblockMeta, SuperblockState } from './superblock.ts'
import { EpochWriter } from './writer.ts'

export interface KeyspaceOptions {
  readonly files: Files
  /** The `pages/` directory. */
  readonly directory: string
  /** Fixed at creation; an existing file's own size is taken whatever stands here. */
  readonly pageBytes: 4096 | 8192 | 16384 | 32768
  /** What pages and large values may occupy in memory (`memory.budget_bytes`). */
  readonly budgetBytes: number
  /** How much of the budget large values may occupy; default a quarter. Those that wait to be written come on top. */
  readonly hotCacheBytes?: number
  /** Values above go to an extent (`inline_threshold_bytes`), those of `slotted` records never; default: what does not fit a quarter of a page. */
  readonly inlineThresholdBytes?: number
  readonly retention: RetentionOptions
  /** How many leading bytes of a key are its space; default: one. */
  readonly spaceLength?: SpaceLength
  /** Records whose digest is the sum of their slots'. */
  readonly slotted?: SlottedRecords
  /** Written into every superblock. */
  readonly identity: KeyspaceIdentity
  /** Encrypts and signs the page file. */
  readonly seal?: Seal | undefined
  readonly mutants?: Mutants
  /** How many bytes an install writes from one record of its progress to the next; default 64 MiB. */
  readonly installProgressBytes?: number
}

/** What a keyspace is made of. */
export interface Parts {
  readonly storage: Storage
  readonly file: PageFile
  readonly pager: Pager
  readonly spaces: SpaceDigests
  readonly writer: EpochWriter
  readonly checkpointer: Checkpointer
}

const FILE_NAME = 'data'

function assemble(options: KeyspaceOptions, file: File, pageBytes: number, identity: KeyspaceIdentity): Parts {
  invariant(PAGE_SIZES.includes(pageBytes), `pages of ${pageBytes} bytes`)
  const storage = new Storage(pageBytes, options.budgetBytes, options.retention, options.mutants ?? {}, options.seal)
  const spaces = new SpaceDigests(options.spaceLength ?? (() => 1), options.slotted)
  storage.usageAt = (prefix, seq) => spaces.usageAt(prefix, seq)
  const pageFile = new PageFile(file, pageBytes, options.seal)
  const pager = new Pager(storage, pageFile, options.budgetBytes, options.hotCacheBytes)
  const writer = new EpochWriter(storage, spaces, options.inlineThresholdBytes ?? pageBytes)
  const checkpointer = new Checkpointer(storage, pageFile, pager, identity)
  return { storage, file: pageFile, pager, spaces, writer, checkpointer }
}

export async function createParts(options: KeyspaceOptions): Promise<Parts> {
  await options.files.makeDirectory(options.directory)
  const file = await options.files.open(`${options.directory}/${FILE_NAME}`, 'create')
  return assemble(options, file, options.pageBytes, options.identity)
}

/** What an opening found. */
export interface Opened {
  readonly parts: Parts
  readonly superblock: SuperblockState
  readonly slots: readonly [SuperblockSlot, SuperblockSlot]
}

/** Something of a page file that does not hold. */
export interface KeyspaceDamage {
  readonly kind: 'superblock' | 'digests' | 'page' | 'extent'
  readonly file: string
  readonly offset: number
  readonly length: number
  readonly expected: string
  readonly actual: string
}

/** Which root is opened for what can be had of a damaged file, and who hears what does not hold. */
export interface SalvageOptions {
  readonly base: 'newest' | 'older'
  readonly onDamage: (damage: KeyspaceDamage) => void
  /** Every page was just read and holds: they are not read once more to find what does not. */
  readonly isInspected?: boolean
}

/**
 * Opens a root of a file in which anything may be wrong. The map is not read: every page up to the superblock's end counts as taken, so
 * that nothing is written over, and no superblock is written. False if the spaces' digests are not there: then nothing may be applied.
 */
export async function openPartsForSalvage(
  options: KeyspaceOptions,
  { base, onDamage }: SalvageOptions,
): Promise<{ parts: Parts; superblock: SuperblockState; hasDigests: boolean }> {
  const path = `${options.directory}/${FILE_NAME}`
  const file = await options.files.open(path, 'readWrite')
  try {
    const slots = await readSlots(file, options.seal)
    for (const { state, isEmpty, offset, length, misunderstood } of slots) {
      if (state !== undefined || isEmpty) continue
      const actual = misunderstood?.message ?? 'bytes that do not fit their checksum'
      onDamage({ kind: 'superblock', file: path, offset, length, expected: 'a superblock', actual })
    }
    const superblock = wholeSuperblocks(slots)[base === 'newest' ? 0 : 1]
    if (superblock === undefined) throw new PageDamage(path, 0, SUPERBLOCK_AREA_BYTES, 'no superblock holds')
    const { historyId, groupId, directoryId } = superblock
    const parts = assemble(options, file, superblock.pageBytes, { historyId, groupId, directoryId })
    const hasDigests = await adoptForSalvage(parts, superblock, options.retention.now(), onDamage)
    return { parts, superblock, hasDigests }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function adoptForSalvage(
  { storage, file, spaces, writer, checkpointer }: Parts,
  state: SuperblockState,
  nowMs: number,
  onDamage: SalvageOptions['onDamage'],
): Promise<boolean> {
  const { map, roots } = storage
  const pages = state.end - map.firstPage
  map.adopt(map.firstPage, new Uint8Array(Math.ceil(pages / 8)).fill(0xff), pages, 'live')
  map.end = Math.max(map.end, state.end)
  storage.table.coverPage(map.end)
  const root = rootOf(storage, state, nowMs)
  roots.add(root)
  checkpointer.newest = { state, root }
  storage.epoch = state.epoch + 1
  writer.reset(state.root.page, state.root.seq)
  try {
    const digests = await readChain(file, state.spaces, PageKind.spaces)
    spaces.decode(digests.content)
    return equalDigests(spaces.total, state.digestS)
  } catch (error) {
    if (!(error instanceof PageDamage)) throw error
    const { offset, length, expected = 'the digests of spaces', actual = error.message } = error
    onDamage({ kind: 'digests', file: file.path, offset, length, expected, actual })
    return false
  }
}

/** Opens what the newest superblock that passes says; whether the other one may be bad is judged by `judgeSlots`, once the log is known. */
export async function openParts(options: KeyspaceOptions): Promise<Opened> {
  const path = `${options.directory}/${FILE_NAME}`
  const file = await options.files.open(path, 'readWrite')
  try {
    await settleSuperblocks(file)
    const slots = await readSlots(file, options.seal)
    for (const { misunderstood, offset, length, slot } of slots) {
      if (misunderstood === undefined) continue
      throw new PageDamage(path, offset, length, `superblock ${slot}: ${misunderstood.message}`, {
        cause: misunderstood,
      })
    }
    const [newest, older] = wholeSuperblocks(slots)
    if (newest === undefined) {
      throw new PageDamage(path, 0, SUPERBLOCK_AREA_BYTES, 'neither superblock holds')
    }
    const { historyId, groupId, directoryId } = newest
    const parts = assemble(options, file, newest.pageBytes, { historyId, groupId, directoryId })
    await adopt(parts, newest, older, options.retention.now())
    return { parts, superblock: newest, slots }
  } catch (error) {
    await file.close()
    throw error
  }
}

/**
 * Makes durable what is about to be believed. A process may have died between writing a superblock and syncing it, or after a sync
 * that failed and left it "clean" in the page cache: without this a loss of power could bring an earlier superblock back, whose pages
 * were given away in the meantime.
 */
async function settleSuperblocks(file: File): Promise<void> {
  const area = new Uint8Array(SUPERBLOCK_AREA_BYTES)
  const length = await file.read(area, 0)
  await file.write(area.subarray(0, length), 0)
  await file.sync()
}

/** Takes over both durable roots: their pages are in use, those of the newest are live, and no tree is walked. */
async function adopt(
  parts: Parts,
  newest: SuperblockState,
  older: SuperblockState | undefined,
  nowMs: number,
): Promise<void> {
  const { storage, file, spaces, writer, checkpointer } = parts
  const { map, roots } = storage
  const chunkAt = (chunk: number): number => map.firstPage + chunk * map.pagesPerChunk
  const onFile = await readMap(file, newest.map, (chunk, bits) => {
    map.adopt(chunkAt(chunk), bits, map.pagesPerChunk, 'live')
  })
  const digests = await readChain(file, newest.spaces, PageKind.spaces)
  spaces.decode(digests.content)
  if (!equalDigests(spaces.total, newest.digestS)) {
    const reason = 'the digests of the spaces do not add up to that of the superblock'
    throw new PageDamage(file.path, newest.spaces.page * file.pageBytes, file.pageBytes, reason)
  }
  checkpointer.mapOnFile = { ...onFile, spaces: digests.pages }
  if (older !== undefined && older.epoch < newest.epoch) {
    const { content } = await readChain(file, older.spaces, PageKind.spaces)
    spaces.decodeBoth(digests.content, newest.seq, content, older.seq)
    const root = rootOf(storage, older, nowMs)
    await readMap(file, older.map, (chunk, bits) => {
      const first = chunkAt(chunk)
      for (const [page, count] of runsBeyond(storage, first, bits)) root.dead.push(page, count, 0, newest.epoch)
      map.adopt(first, bits, map.pagesPerChunk, 'used')
    })
    roots.add(root)
    checkpointer.older = { state: older, root }
  }
  map.end = Math.max(map.end, newest.end)
  storage.table.coverPage(map.end)
  const root = rootOf(storage, newest, nowMs)
  roots.add(root)
  checkpointer.newest = { state: newest, root }
  if (older !== undefined && older.epoch === newest.epoch) {
    // Both slots name one root (an install's): it is held twice, and the next checkpoint lets go of it once.
    root.holders++
    root.superblocks++
    checkpointer.older = { state: older, root }
  }
  storage.epoch = newest.epoch + 1
  writer.reset(newest.root.page, newest.root.seq)
}

/** Runs of pages that `bits` has and the live map has not: only the older root sees them. */
function runsBeyond(storage: Storage, first: number, bits: Uint8Array): [page: number, count: number][] {
  const { map } = storage
  const runs: [number, number][] = []
  for (let i = 0; i < map.pagesPerChunk; i++) {
    if ((bits[i >>> 3]! & (1 << (i & 7))) === 0 || map.isLive(first + i)) continue
    const last = runs.at(-1)
    if (last !== undefined && last[0] + last[1] === first + i) last[1]++
    else runs.push([first + i, 1])
  }
  return runs
}

function rootOf(storage: Storage, state: SuperblockState, nowMs: number): Root {
  const { page, checksum } = state.root
  storage.table.coverPage(page)
  storage.table.setChecksum(page, checksum)
  storage.table.state[page]! |= CHECKSUM_KNOWN | STAGED
  const { epoch, seq, digestS, records } = state
  const pointer = { page, pageSeq: state.root.seq }
  const held = { holders: 1, superblocks: 1, dead: storage.roots.noDead() }
  return { epoch, seq, ...pointer, digest: digestS, records, meta: state, publishedAtMs: nowMs, entryBytes: 0, ...held }
}

/** The root that the writer has just finished. */
export function newRoot(
  epoch: number,
  seq: number,
  writer: EpochWriter,
  spaces: SpaceDigests,
  meta: SuperblockMeta,
  nowMs: number,
  entryBytes: number,
  dead: DeadPages,
): Root {
  return {
    epoch,
    seq,
    page: writer.rootPage,
    pageSeq: writer.rootSeq,
    digest: { ...spaces.total },
    records: spaces.records,
    meta,
    publishedAtMs: nowMs,
    entryBytes,
    holders: 0,
    superblocks: 0,
    dead,
  }
}
