import {
  chainEntry,
  decodeConfiguration,
  ENTRY_FORMAT,
  ENTRY_HEADER_BYTES,
  EntryKind,
  isEntryKind,
  MalformedBytes,
  readU16,
  readU32,
  readU64,
} from '../../encoding/index.ts'
import type { ConfigurationAt, EntryBatch, TermRun } from '../core/index.ts'
import { toCoreConfiguration } from './configuration.ts'

/** What comes before the first entry. */
export interface EntryPredecessor {
  readonly seq: number
  readonly term: number
  readonly chain: number
}

/**
 * Checks `count` consecutive encoded entries, all of `bytes`, and describes them for the core, in one pass: `ref` is `bytes`.
 * They must follow `previous` without a gap, with terms from its term up to `maxTerm` that do not decrease. Also what the driver
 * uses for entries of its own and out of the log.
 * Hot path: bench/wire.
 * @throws MalformedBytes
 */
export function describeEntries(
  bytes: Uint8Array,
  count: number,
  previous: EntryPredecessor,
  maxTerm: number,
): EntryBatch {
  const end = bytes.length
  if (count < 1 || count * ENTRY_HEADER_BYTES > end) throw new MalformedBytes(`${count} entries in ${end} bytes`)
  const chains = new Uint32Array(count)
  const terms: TermRun[] = []
  const configurations: ConfigurationAt[] = []
  const firstSeq = previous.seq + 1
  let chain = previous.chain
  let term = previous.term
  let at = 0
  for (let i = 0; i < count; i++) {
    if (end - at < ENTRY_HEADER_BYTES) throw new MalformedBytes(`entry header cut at ${at}`)
    const length = readU32(bytes, at)
    if (length < ENTRY_HEADER_BYTES || length > end - at) throw new MalformedBytes(`entry length ${length} at ${at}`)
    const kind = bytes[at + 5]!
    if (bytes[at + 4] !== ENTRY_FORMAT || !isEntryKind(kind) || readU16(bytes, at + 6) !== 0) {
      throw new MalformedBytes(`entry format or kind at ${at}`)
    }
    const seq = firstSeq + i
    if (readU64(bytes, at + 8) !== seq) throw new MalformedBytes(`entry at ${at} is not of seq ${seq}`)
    const entryTerm = readU64(bytes, at + 16)
    if (entryTerm !== term || terms.length === 0) {
      if (entryTerm < term || entryTerm > maxTerm) throw new MalformedBytes(`term ${entryTerm} of entry ${seq}`)
      if (terms.length > 0) terms[terms.length - 1] = { term, lastSeq: seq - 1 }
      terms.push({ term: entryTerm, lastSeq: seq })
      term = entryTerm
    }
    readU64(bytes, at + 24)
    if (kind === EntryKind.configuration) {
      const payload = bytes.subarray(at + ENTRY_HEADER_BYTES, at + length)
      configurations.push({ seq, configuration: toCoreConfiguration(decodeConfiguration(payload)) })
    }
    chain = chainEntry(chain, bytes, at, at + length)
    chains[i] = chain
    at += length
  }
  if (at !== end) throw new MalformedBytes(`${end - at} bytes after the entries`)
  const lastSeq = firstSeq + count - 1
  terms[terms.length - 1] = { term, lastSeq }
  return { firstSeq, lastSeq, byteLength: end, terms, configurations, chains, ref: bytes }
}
