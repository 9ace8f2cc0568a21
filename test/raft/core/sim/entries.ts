import type { Configuration, EntryBatch, Seq, Term, TermRun } from '../../../../src/raft/core/index.ts'

/** A log entry of the simulated driver. */
export interface SimEntry {
  readonly seq: Seq
  readonly term: Term
  readonly value: number
  readonly configuration: Configuration | null
  readonly byteLength: number
  readonly chain: number
}

export interface EntryContent {
  readonly value: number
  readonly configuration: Configuration | null
}

/** Mixes numbers into 32 bits; stands for the CRC chain over entry bytes. */
export function mix(...values: readonly number[]): number {
  let hash = 0x811c9dc5
  for (const value of values) {
    hash = Math.imul(hash ^ (value >>> 0), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    hash ^= Math.floor(value / 0x1_0000_0000)
  }
  return (hash ^ (hash >>> 13)) >>> 0
}

export function makeEntry(seq: Seq, term: Term, prevChain: number, content: EntryContent): SimEntry {
  const { value, configuration } = content
  const byteLength = 20 + (value % 200) + (configuration === null ? 0 : 100)
  return { seq, term, value, configuration, byteLength, chain: mix(prevChain, seq, term, value) }
}

/** What the driver tells the core about entries. */
export function toBatch(entries: readonly SimEntry[]): EntryBatch {
  const terms: TermRun[] = []
  const configurations: { seq: Seq; configuration: Configuration }[] = []
  const chains = new Uint32Array(entries.length)
  let byteLength = 0
  entries.forEach((entry, at) => {
    const top = terms[terms.length - 1]
    if (top !== undefined && top.term === entry.term) terms[terms.length - 1] = { term: entry.term, lastSeq: entry.seq }
    else terms.push({ term: entry.term, lastSeq: entry.seq })
    if (entry.configuration !== null) configurations.push({ seq: entry.seq, configuration: entry.configuration })
    chains[at] = entry.chain
    byteLength += entry.byteLength
  })
  const firstSeq = entries[0]!.seq
  const lastSeq = entries[entries.length - 1]!.seq
  return { firstSeq, lastSeq, byteLength, terms, configurations, chains, ref: entries }
}
