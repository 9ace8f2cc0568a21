import {
  bytesToHex,
  decodeConfiguration,
  encodeConfiguration,
  ENTRY_HEADER_BYTES,
  EntryKind,
} from '../encoding/index.ts'
import type { PeerIdentity } from '../model/index.ts'
import type { Random } from '../platform/index.ts'
import type { EntryBatch } from './core/index.ts'
import { encodeDrafts } from './entries.ts'
import { isMutant } from './mutants.ts'
import type { MemberAddress } from './options.ts'
import { describeEntries, toCoreConfiguration } from './wire/index.ts'

/** The term of entry 1: the first election is for a later one. */
export const BOOTSTRAP_TERM = 1
const BEGINNING = { seq: 0, term: 0, chain: 0 }

export interface BootstrapOptions {
  name: string
  directoryId: string
  members: readonly MemberAddress[]
  random: Random
  identityOf: (peer: string) => PeerIdentity | undefined
}

/** What an empty node does next (DESIGN 8, bootstrap by identity). */
export type BootstrapStep =
  /** Not all of the listed nodes have answered yet, or it is the first one's business. */
  | { kind: 'wait'; missing: readonly string[] }
  /** This is the first node and all others are empty: entry 1. */
  | { kind: 'found'; batch: EntryBatch }
  /** A peer belongs to a cluster already: this directory is no member of it and must be joined by command. */
  | { kind: 'unjoined'; holder: string }

/** Decides for a node whose directory is empty. */
export function nextBootstrapStep(options: BootstrapOptions): BootstrapStep {
  const { name, members, identityOf } = options
  const others = members.filter(member => member.name !== name)
  const isFirst = members[0]?.name === name
  const holder = others.find(member => identityOf(member.name)?.historyId !== undefined)
  // A holder hands entry 1 to those that it lists; the first node itself would have made it.
  if (holder !== undefined) return isFirst ? { kind: 'unjoined', holder: holder.name } : { kind: 'wait', missing: [] }
  if (!isFirst) return { kind: 'wait', missing: [members[0]!.name] }
  const missing = others.filter(member => identityOf(member.name) === undefined).map(member => member.name)
  if (missing.length > 0) return { kind: 'wait', missing }
  return { kind: 'found', batch: firstEntry(options) }
}

/** Entry 1: the configuration of all listed nodes, with the directory ids that they gave. */
function firstEntry({ name, directoryId, members, random, identityOf }: BootstrapOptions): EntryBatch {
  const historyId = bytesToHex(random.bytes(16))
  const configuration = {
    historyId,
    members: members.map((member, i) => ({
      nodeId: i + 1,
      ...member,
      directoryId: member.name === name ? directoryId : identityOf(member.name)!.directoryId,
    })),
    voters: members.map((_, i) => i + 1),
    outgoing: [],
    learners: [],
    learnersNext: [],
  }
  const slot = { firstSeq: 1, term: BOOTSTRAP_TERM, prevChain: 0 }
  const draft = { kind: EntryKind.configuration, payload: encodeConfiguration(configuration) }
  return encodeDrafts([draft], slot, 0, [{ seq: 1, configuration: toCoreConfiguration(configuration) }])
}

/**
 * Takes entry 1 from a holder. @returns the batch for the core, or undefined if it does not list this directory
 * @throws MalformedBytes
 */
export function acceptFirstEntry(entry: Uint8Array, directoryId: string): EntryBatch | undefined {
  const batch = describeEntries(entry.slice(), 1, BEGINNING, BOOTSTRAP_TERM)
  const configuration = decodeConfiguration(entry.subarray(ENTRY_HEADER_BYTES))
  const isListed = configuration.members.some(member => member.directoryId === directoryId)
  return isListed || isMutant('member_by_name') ? batch : undefined
}
