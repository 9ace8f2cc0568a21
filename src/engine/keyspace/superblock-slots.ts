import { equalBytes, MalformedBytes } from '../../encoding/index.ts'
import type { File } from '../../platform/index.ts'
import type { Seal } from '../../sealing/index.ts'
import { SUPERBLOCK_SPACING_BYTES } from './layout.ts'
import type { SuperblockState } from './superblock.ts'
import { decodeSuperblock, superblockBytes } from './superblock.ts'

/** What the log says of the superblocks: `number` is the newest that was synced (0 = unknown), the next may be under way. */
export interface SuperblockProof {
  readonly number: number
  readonly isUnderWay: boolean
  /** None was announced beyond these. */
  readonly isCertain?: boolean
}

/** Hears of every superblock before it is written and once it is synced; the log keeps it. */
export interface SuperblockLedger {
  superblockBegins(number: number): Promise<void>
  superblockSynced(number: number): void
}

/** One of the two places of superblocks, as found in the file. */
export interface SuperblockSlot {
  readonly slot: 0 | 1
  readonly offset: number
  readonly length: number
  /** Undefined if no superblock that passes stands there. */
  readonly state: SuperblockState | undefined
  readonly isEmpty: boolean
  /** Passes its checksum, but this program does not understand it. */
  readonly misunderstood?: MalformedBytes
}

/** `absent`: never written. `torn`: a loss of power came between; the other one counts, and nothing is lost. */
export type SlotVerdict =
  | { readonly kind: 'ok' | 'absent' | 'torn' }
  | { readonly kind: 'damaged'; readonly reason: string }

export async function readSlots(file: File, seal: Seal | undefined): Promise<[SuperblockSlot, SuperblockSlot]> {
  return [await readSlot(file, 0, seal), await readSlot(file, 1, seal)]
}

async function readSlot(file: File, slot: 0 | 1, seal: Seal | undefined): Promise<SuperblockSlot> {
  const offset = slot * SUPERBLOCK_SPACING_BYTES
  const area = new Uint8Array(SUPERBLOCK_SPACING_BYTES)
  await file.read(area, offset)
  const place = { slot, offset, length: superblockBytes(area), isEmpty: area.every(byte => byte === 0) }
  try {
    return { ...place, state: decodeSuperblock(area, seal) }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    return { ...place, state: undefined, misunderstood: error }
  }
}

/** The superblocks that pass, newest first. */
export function wholeSuperblocks(slots: readonly SuperblockSlot[]): SuperblockState[] {
  return slots.flatMap(({ state }) => (state === undefined ? [] : [state])).toSorted((a, b) => b.number - a.number)
}

/**
 * What is to be thought of each slot (docs/adr/0003-torn-or-damaged.md). A write of a superblock is announced in the log before it begins
 * and confirmed there when it is synced. So only the slot of the next number can be torn, only while the log says that it is under way,
 * and only if the other slot has the newest that the log knows; everything else that does not hold, or is not what the log knows, is damage.
 */
export function judgeSlots(
  slots: readonly [SuperblockSlot, SuperblockSlot],
  proof: SuperblockProof,
  directoryId: Uint8Array,
): [SlotVerdict, SlotVerdict] {
  const newest = Math.max(0, ...slots.map(({ state }) => state?.number ?? 0))
  const isTold = proof.isCertain === true && proof.number > 0
  const announced = isTold ? proof.number + (proof.isUnderWay ? 1 : 0) : Infinity
  const judge = (own: SuperblockSlot): SlotVerdict => {
    const { slot, state, isEmpty } = own
    if (own.misunderstood !== undefined) return damaged(own.misunderstood.message)
    if (newest < proof.number && proof.number % 2 === slot) {
      return damaged(`superblock ${proof.number}, which was synced, is not there`)
    }
    if (state?.number === newest && newest > announced) {
      return damaged(`superblock ${newest} was never announced in the log, which is older`)
    }
    if (state !== undefined) return judgeWhole(slot, state, newest, directoryId)
    if (isEmpty && newest === 1) return { kind: 'absent' }
    if (isEmpty) return damaged(newest === 0 ? 'there is no superblock' : 'a superblock is missing')
    const mayBeTorn = newest > 0 && (proof.number === 0 || (proof.isUnderWay && newest === proof.number))
    return mayBeTorn ? { kind: 'torn' } : damaged('the superblock does not hold')
  }
  return [judge(slots[0]), judge(slots[1])]
}

/** A superblock that passes, but may not be the one that belongs here. */
function judgeWhole(slot: number, state: SuperblockState, newest: number, directoryId: Uint8Array): SlotVerdict {
  const { number } = state
  if (number % 2 !== slot) return damaged(`superblock ${number} belongs in the other slot`)
  if (number + 1 < newest) return damaged(`superblock ${number} is older than the one before ${newest}`)
  return equalBytes(state.directoryId, directoryId)
    ? { kind: 'ok' }
    : damaged('the superblock belongs to another directory')
}

function damaged(reason: string): SlotVerdict {
  return { kind: 'damaged', reason }
}
