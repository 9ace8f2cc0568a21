import { requireKnownLevel } from './feature-level.ts'
import { ByteWriter, utf8Bytes } from '../encoding/index.ts'
import { SnapshotMismatch } from '../model/index.ts'
import type { SnapshotChunk, SnapshotManifest, SnapshotSink, SnapshotSource } from '../model/index.ts'
import { InstallMismatch } from './keyspace/index.ts'
import type { ImageScan, Install, Keyspace, KeyspaceView } from './keyspace/index.ts'

/** What is sent of one pinned root: its leaf images, those changed after `sinceSeq` only. */
export class ImageSource implements SnapshotSource {
  readonly manifest: SnapshotManifest
  readonly #view: KeyspaceView
  #scan: ImageScan
  #isAtEnd = false

  /** Owns `view`. */
  constructor(view: KeyspaceView, manifest: SnapshotManifest) {
    this.manifest = manifest
    this.#view = view
    this.#scan = view.changedSince(manifest.sinceSeq)
  }

  async next(targetBytes: number): Promise<SnapshotChunk | undefined> {
    const chunk = this.#isAtEnd ? undefined : await this.#scan.next(targetBytes)
    if (chunk === undefined || chunk.fence.length === 0) this.#isAtEnd = true
    return chunk
  }

  seek(afterFence: Uint8Array | undefined): void {
    // The empty fence is the end of the keyspace: nothing lies behind it.
    this.#isAtEnd = afterFence?.length === 0
    this.#scan = this.#view.changedSince(this.manifest.sinceSeq, afterFence === undefined ? {} : { from: afterFence })
  }

  close(): void {
    this.#view.close()
  }
}

/** What a root says of the state that is sent. */
export function manifestOf({ root }: KeyspaceView, historyId: string, sinceSeq: number): SnapshotManifest {
  const { seq, digest, meta } = root
  const { term, entryChain: chain, effectChain, leaderTimeMicros, featureLevel, membership: configuration } = meta
  return {
    seq,
    term,
    chain,
    effectChain,
    sum: digest,
    leaderTimeMicros,
    featureLevel,
    historyId,
    configuration,
    sinceSeq,
  }
}

/** What the sink of an install tells its state machine. */
export interface SinkEnd {
  /** The installed root is published and durable. */
  readonly committed: () => Promise<void>
  /** Nothing was installed: the keyspace is what it was. */
  readonly aborted: () => void
}

/** Takes a snapshot into a tree that nobody sees. */
export class ImageSink implements SnapshotSink {
  readonly resumeAfter: Uint8Array | undefined
  readonly #install: Install
  readonly #manifest: SnapshotManifest
  /** What the installed root records of earlier states. */
  readonly #digests: Uint8Array
  readonly #end: SinkEnd

  private constructor(install: Install, manifest: SnapshotManifest, digests: Uint8Array, end: SinkEnd) {
    this.#install = install
    this.#manifest = manifest
    this.#digests = digests
    this.#end = end
    const { fence } = install
    // The first key's fence is where everything begins; the end's is empty, too, but undefined here.
    this.resumeAfter = fence === undefined ? new Uint8Array(0) : fence.length === 0 ? undefined : fence
  }

  /** Goes on where an install of the same manifest was interrupted, or begins. */
  static async begin(
    keyspace: Keyspace,
    manifest: SnapshotManifest,
    digests: Uint8Array,
    end: SinkEnd,
  ): Promise<ImageSink> {
    requireKnownLevel(manifest.featureLevel, 'the snapshot')
    const base = manifest.sinceSeq === 0 ? 'empty' : 'current'
    const install = await keyspace.beginInstall(base, encodeManifest(manifest))
    return new ImageSink(install, manifest, digests, end)
  }

  async write(chunk: SnapshotChunk): Promise<void> {
    try {
      await this.#install.apply(chunk.bytes)
    } catch (error) {
      throw asMismatch(error)
    }
  }

  async commit(): Promise<void> {
    const { seq, term, chain, effectChain, sum, leaderTimeMicros, featureLevel, configuration } = this.#manifest
    const own = { membership: configuration, digests: this.#digests }
    const meta = { term, entryChain: chain, effectChain, leaderTimeMicros, featureLevel, ...own }
    try {
      await this.#install.finish({ seq, meta, digestS: sum })
    } catch (error) {
      throw asMismatch(error)
    }
    await this.#end.committed()
  }

  async abort(): Promise<void> {
    await this.#install.abort()
    this.#end.aborted()
  }
}

/** What a replica hears of a snapshot that does not fit; any other error as it is. */
function asMismatch(error: unknown): unknown {
  return error instanceof InstallMismatch ? new SnapshotMismatch(error.message, { cause: error }) : error
}

/** All of a manifest: two snapshots with the same are the same. */
function encodeManifest(manifest: SnapshotManifest): Uint8Array {
  const { seq, term, chain, effectChain, sum, leaderTimeMicros, featureLevel, sinceSeq } = manifest
  const writer = new ByteWriter(256)
  for (const number of [seq, term, chain, effectChain, sum.lo, sum.hi, leaderTimeMicros, featureLevel, sinceSeq]) {
    writer.u64(number)
  }
  writer.bytes16(utf8Bytes(manifest.historyId))
  writer.bytes32(manifest.configuration)
  return writer.finish()
}
