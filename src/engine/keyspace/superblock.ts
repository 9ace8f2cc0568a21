/** What a published root carries besides its pages (DESIGN 5, checkpoint). */
export interface SuperblockMeta {
  readonly term: number
  readonly entryChain: number
  readonly effectChain: number
  readonly leaderTimeMicros: number
  readonly featureLevel: number
  /** The group's configuration as encoded by its owner. */
  readonly membership: Uint8Array
}
