import type { SnapshotChunk, SnapshotManifest, SnapshotSink, SnapshotSource } from '../model/index.ts'
import type { Install, Keyspace, KeyspaceView, LeafImage } from './keyspace/index.ts'
import { decodeChunk, encodeChunk, imageBytes } from './snapshot-chunks.ts'
import type { TravellingImage } from './snapshot-chunks.ts'

/** What is sent of one pinned root: its leaf images, those changed after `sinceSeq` only. */
export class ImageSource implements SnapshotSource {
  readonly manifest: SnapshotManifest
  readonly #view: KeyspaceView
  #walk: ReturnType<KeyspaceView['changedSince']>
  #isAtEnd = false

  /** Owns `view`. */
  constructor(view: KeyspaceView, manifest: SnapshotManifest) {
    this.manifest = manifest
    this.#view = view
    this.#walk = view.changedSince(manifest.sinceSeq)
  }

  async next(targetBytes: number): Promise<SnapshotChunk | undefined> {
    const images: TravellingImage[] = []
    let fence = new Uint8Array(0)
    for (let bytes = 0; bytes < targetBytes && !this.#isAtEnd;) {
      const step = await this.#walk.next()
      if (step.done === true) {
        this.#isAtEnd = true
        break
      }
      const image = step.value
      const travelling = { image, large: await this.#largeValues(image) }
      images.push(travelling)
      bytes += imageBytes(travelling)
      fence = Uint8Array.from(image.upper ?? [])
      if (image.upper === undefined) this.#isAtEnd = true
    }
    return images.length === 0 ? undefined : { bytes: encodeChunk(images), fence }
  }

  seek(afterFence: Uint8Array | undefined): void {
    // The empty fence is the end of the keyspace: nothing lies behind it.
    this.#isAtEnd = afterFence?.length === 0
    this.#walk = this.#view.changedSince(this.manifest.sinceSeq, afterFence === undefined ? {} : { from: afterFence })
  }

  close(): void {
    this.#view.close()
  }

  async #largeValues(image: LeafImage): Promise<Map<number, Uint8Array>> {
    const values = new Map<number, Uint8Array>()
    for (const [i, { key, large }] of image.records.entries()) {
      if (large?.travels !== true) continue
      const record = await this.#view.get(key)
      if (record !== undefined) values.set(i, record.value)
    }
    return values
  }
}

/** What the state machine does when its keyspace is installed, or is what it was before. */
export interface ImageSinkEnd {
  committed(): Promise<void>
  aborted(): Promise<void>
}

/** Takes a snapshot into an unpublished root. */
export class ImageSink implements SnapshotSink {
  /** An interrupted install begins again: its root was never published. */
  readonly resumeAfter: Uint8Array | undefined = undefined
  readonly #install: Install
  readonly #manifest: SnapshotManifest
  readonly #digests: Uint8Array
  readonly #onEnd: ImageSinkEnd

  /** `digests`: what the receiver will have recorded. */
  constructor(keyspace: Keyspace, manifest: SnapshotManifest, digests: Uint8Array, onEnd: ImageSinkEnd) {
    this.#manifest = manifest
    this.#install = keyspace.beginInstall(manifest.sinceSeq === 0 ? 'empty' : 'current')
    this.#digests = digests
    this.#onEnd = onEnd
  }

  async write(chunk: SnapshotChunk): Promise<void> {
    for (const { image, large } of decodeChunk(chunk.bytes)) {
      for (const [i, value] of large) {
        const { key, versionSeq } = image.records[i]!
        this.#install.offerLarge(key, versionSeq, value)
      }
      await this.#install.apply(image)
    }
  }

  async commit(): Promise<void> {
    const { seq, term, chain, effectChain, sum, leaderTimeMicros, featureLevel, configuration } = this.#manifest
    const own = { membership: configuration, digests: this.#digests }
    const meta = { term, entryChain: chain, effectChain, leaderTimeMicros, featureLevel, ...own }
    await this.#install.finish({ seq, meta, digestS: sum })
    await this.#onEnd.committed()
  }

  async abort(): Promise<void> {
    this.#install.abort()
    await this.#onEnd.aborted()
  }
}
