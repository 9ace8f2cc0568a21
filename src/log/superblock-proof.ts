import { assertLog } from './errors.ts'

/**
 * What the log says of the superblocks in the page file: without it a superblock that was torn by a loss of power could not be told from
 * one that is damaged (docs/adr/0003-torn-or-damaged.md). Every frame and segment header carries it as one u32, the number doubled and 1
 * added while a write is under way.
 */
export interface SuperblockProof {
  /** The newest superblock known to be synced; 0 = nothing is known. */
  readonly number: number
  /** The next one may have been begun, and may be torn. */
  readonly isUnderWay: boolean
  /** The log's end is known, so that no newer superblock was announced than these; absent = nobody has asked. */
  readonly isCertain?: boolean
}

export const NO_SUPERBLOCK: SuperblockProof = { number: 0, isUnderWay: false }

export function encodeSuperblockProof({ number, isUnderWay }: SuperblockProof): number {
  assertLog(number < 0x8000_0000, `superblock ${number} has a number that the log can carry`)
  return number * 2 + (isUnderWay ? 1 : 0)
}

export function decodeSuperblockProof(field: number): SuperblockProof {
  return { number: field >>> 1, isUnderWay: (field & 1) === 1 }
}
