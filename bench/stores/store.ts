/** What the benchmark asks of an ordered store of keys and values in this process. */
export interface Store {
  /** Sets all, as one commit that need not be synced. */
  load(entries: readonly (readonly [key: string, value: Uint8Array])[]): Promise<void>
  /** Everything loaded is on the disk, as small as the store makes it by itself. */
  settle(): Promise<void>
  get(key: string): Uint8Array | undefined
  /** Sum of the lengths of keys and values of `limit` entries from `start` on, each of which was taken out. */
  scan(start: string, limit: number): number | Promise<number>
  /** Resolves once the entry would survive a loss of power. */
  put(key: string, value: Uint8Array): unknown
  close(): Promise<void>
}

/** Opens a store in `folder`; undefined where it is not installed. */
export type OpenStore = (folder: string) => Promise<Store | undefined>
