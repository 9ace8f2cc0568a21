import { decodeConfiguration } from '../../encoding/index.ts'
import type { SnapshotManifest } from '../../model/index.ts'
import type { NodeId, Seq, SnapshotMeta } from '../core/index.ts'
import { toCoreConfiguration } from '../wire/index.ts'

/** A snapshot as the core knows it. @throws MalformedBytes if the manifest has no configuration */
export function metaOf(manifest: SnapshotManifest): SnapshotMeta {
  const { seq, term, chain } = manifest
  return { seq, term, chain, configuration: toCoreConfiguration(decodeConfiguration(manifest.configuration)) }
}

/** What a receiver holds a manifest against. */
export interface Expectation {
  readonly self: NodeId
  /** What the core agreed to install. */
  readonly offered: SnapshotMeta
  /** Of the base that was asked for; 0 = none. */
  readonly baseSeq: Seq
  /** The lowest seq that is of use. */
  readonly minSeq: Seq
}

/**
 * Why a manifest must not be installed, or undefined. It may name a newer state than the offer did (S5): the sender pins again when
 * it is asked for an incremental one. What the core checked of the offer is checked again (S2, S11). `meta` is the manifest's.
 */
export function findManifestObstacle(
  manifest: SnapshotManifest,
  meta: SnapshotMeta,
  expected: Expectation,
): string | undefined {
  const { offered, baseSeq } = expected
  const historyId = offered.configuration.historyId
  if (manifest.historyId !== historyId || meta.configuration.historyId !== historyId) return 'it is of another history'
  if (meta.seq < offered.seq || meta.term < offered.term) return 'it is older than what was offered'
  if (meta.seq === offered.seq && (meta.term !== offered.term || meta.chain !== offered.chain)) {
    return 'it names another entry than the offer' // S2
  }
  if (!meta.configuration.members.some(({ id }) => id === expected.self)) return 'not in its configuration' // S11
  if (meta.seq < expected.minSeq) return 'the own state is as new'
  if (manifest.sinceSeq !== 0 && manifest.sinceSeq !== baseSeq) return 'it starts from a point that was not asked for'
  return undefined
}
