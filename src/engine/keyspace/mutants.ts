/** Faults that tests switch on to prove that they would be noticed. Production passes none. */
export interface Mutants {
  /** Pages are checked against their own claim instead of the pointer's: a lost write passes. */
  readonly checksumInPage?: boolean
  readonly superblockBeforePages?: boolean
  readonly freeBeforeSuperblock?: boolean
  readonly seqLostOnMerge?: boolean
  /** A page that was written and came back is changed in place. */
  readonly overwriteInPlace?: boolean
  /** A view follows the newest root. */
  readonly viewSeesLater?: boolean
  readonly digestKeepsOverwritten?: boolean
  /** What a space holds keeps the bytes of values that were replaced or deleted. */
  readonly usageKeepsOverwritten?: boolean
  /** An install goes on where one of another snapshot has come to. */
  readonly progressOfAnother?: boolean
  /** The progress of an install is on file before the pages that it names. */
  readonly progressBeforePages?: boolean
  /** An install that goes on does not know what changed last before it was interrupted. */
  readonly gapSeqLost?: boolean
  /** A page that splits gives its sibling no seq. */
  readonly seqLostOnSplit?: boolean
  /** A superblock names the newest applied seq, whatever its root holds (D12). */
  readonly seqApartFromData?: boolean
  /** Pages are free as soon as the superblock that lets them go is written, not when it is synced. */
  readonly superblockNotSynced?: boolean
}
