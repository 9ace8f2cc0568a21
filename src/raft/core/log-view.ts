import type { EntryBatch, LogBase, LogEnd, Seq, Term, TermRun } from './types.ts'

/**
 * What the core remembers of the log: no entries, but the term of every seq (by runs), the entry chain of every seq
 * (4 bytes each, copied batch-wise) and the size at batch boundaries. Entries (base.seq, lastSeq] are retained.
 */
export interface LogView {
  base: LogBase
  lastSeq: Seq
  /** Runs cover (base.seq, lastSeq]; the last one ends at lastSeq. */
  runs: TermRun[]
  /** chains[seq - chainsFirst] for retained seqs. */
  chains: Uint32Array
  chainsFirst: Seq
  /** Ends of appended batches and the bytes appended up to there, ascending; sizes between are interpolated. */
  markSeqs: number[]
  markBytes: number[]
  /** Bytes counted at base.seq. */
  baseBytes: number
}

/** An empty log that starts after `base`. */
export function createLogView(base: LogBase): LogView {
  return {
    base,
    lastSeq: base.seq,
    runs: [],
    chains: new Uint32Array(256),
    chainsFirst: base.seq + 1,
    markSeqs: [],
    markBytes: [],
    baseBytes: 0,
  }
}

/** The term of an entry, or undefined below the base or beyond the end. Binary search over runs. */
export function termAt(log: LogView, seq: Seq): Term | undefined {
  if (seq === log.base.seq) return log.base.term
  if (seq < log.base.seq || seq > log.lastSeq) return undefined
  return log.runs[runIndexAt(log, seq)]!.term
}

function runIndexAt(log: LogView, seq: Seq): number {
  const runs = log.runs
  let low = 0
  let high = runs.length - 1
  if (high >= 1 && runs[high - 1]!.lastSeq < seq) return high // hot path: the newest term
  while (low < high) {
    const middle = (low + high) >> 1
    if (runs[middle]!.lastSeq < seq) low = middle + 1
    else high = middle
  }
  return low
}

/** The entry chain at a seq, or undefined where the log is not retained. */
export function chainAt(log: LogView, seq: Seq): number | undefined {
  if (seq === log.base.seq) return log.base.chain
  if (seq < log.base.seq || seq > log.lastSeq) return undefined
  return log.chains[seq - log.chainsFirst]!
}

export function lastTerm(log: LogView): Term {
  return log.runs.length === 0 ? log.base.term : log.runs[log.runs.length - 1]!.term
}

export function logEnd(log: LogView): LogEnd {
  return { term: lastTerm(log), seq: log.lastSeq }
}

/** The term of `seq` in a batch; seq is inside it. */
export function batchTermAt(batch: EntryBatch, seq: Seq): Term {
  for (const run of batch.terms) if (seq <= run.lastSeq) return run.term
  throw new Error(`seq ${seq} is outside the batch`)
}

export function batchChainAt(batch: EntryBatch, seq: Seq): number {
  return batch.chains[seq - batch.firstSeq]!
}

/**
 * Appends the entries of `batch` from `fromSeq`, which is the next seq. Bytes of a cut batch are shared out evenly.
 * hot path: once a batch.
 */
export function appendToLog(log: LogView, batch: EntryBatch, fromSeq: Seq): void {
  if (fromSeq !== log.lastSeq + 1) throw new Error(`append at ${fromSeq}, log ends at ${log.lastSeq}`)
  for (const run of batch.terms) {
    if (run.lastSeq < fromSeq) continue
    const top = log.runs.length - 1
    if (top >= 0 && log.runs[top]!.term === run.term) log.runs[top] = { term: run.term, lastSeq: run.lastSeq }
    else log.runs.push({ term: run.term, lastSeq: run.lastSeq })
  }
  const skipped = fromSeq - batch.firstSeq
  const count = batch.lastSeq - fromSeq + 1
  const at = fromSeq - log.chainsFirst
  if (at + count > log.chains.length) growChains(log, at + count)
  log.chains.set(skipped === 0 ? batch.chains : batch.chains.subarray(skipped), at)
  const before = bytesThrough(log, log.lastSeq)
  log.lastSeq = batch.lastSeq
  log.markSeqs.push(batch.lastSeq)
  log.markBytes.push(before + (skipped === 0 ? batch.byteLength : (batch.byteLength * count) / (count + skipped)))
}

function growChains(log: LogView, needed: number): void {
  const grown = new Uint32Array(Math.max(needed, log.chains.length * 2))
  grown.set(log.chains)
  log.chains = grown
}

/** Drops the entries from `fromSeq` on. */
export function truncateLog(log: LogView, fromSeq: Seq): void {
  if (fromSeq <= log.base.seq) throw new Error(`truncate at ${fromSeq}, base is ${log.base.seq}`)
  if (fromSeq > log.lastSeq) return
  const bytes = bytesThrough(log, fromSeq - 1)
  log.lastSeq = fromSeq - 1
  while (log.runs.length > 0) {
    const top = log.runs[log.runs.length - 1]!
    const previousEnd = log.runs.length === 1 ? log.base.seq : log.runs[log.runs.length - 2]!.lastSeq
    if (previousEnd < fromSeq - 1) {
      log.runs[log.runs.length - 1] = { term: top.term, lastSeq: fromSeq - 1 }
      break
    }
    log.runs.pop()
  }
  while (log.markSeqs.length > 0 && log.markSeqs[log.markSeqs.length - 1]! >= fromSeq) {
    log.markSeqs.pop()
    log.markBytes.pop()
  }
  if (log.lastSeq > log.base.seq && log.markSeqs[log.markSeqs.length - 1] !== log.lastSeq) {
    log.markSeqs.push(log.lastSeq)
    log.markBytes.push(bytes)
  }
}

/** Forgets entries up to `seq`, which becomes the base. */
export function compactLog(log: LogView, seq: Seq): void {
  if (seq <= log.base.seq) return
  const term = termAt(log, seq)
  const chain = chainAt(log, seq)
  if (term === undefined || chain === undefined) throw new Error(`compaction to ${seq} beyond the end ${log.lastSeq}`)
  log.baseBytes = bytesThrough(log, seq)
  const keptRuns = log.runs.findIndex(run => run.lastSeq > seq)
  log.runs = keptRuns < 0 ? [] : log.runs.slice(keptRuns)
  const keptMarks = log.markSeqs.findIndex(mark => mark > seq)
  log.markSeqs = keptMarks < 0 ? [] : log.markSeqs.slice(keptMarks)
  log.markBytes = keptMarks < 0 ? [] : log.markBytes.slice(keptMarks)
  const kept = log.chains.slice(seq + 1 - log.chainsFirst, log.lastSeq + 1 - log.chainsFirst)
  log.chains = new Uint32Array(Math.max(256, kept.length * 2))
  log.chains.set(kept)
  log.chainsFirst = seq + 1
  log.base = { seq, term, chain }
}

/** Bytes appended through `seq` since the view was made; interpolated inside a batch. */
export function bytesThrough(log: LogView, seq: Seq): number {
  if (seq <= log.base.seq) return log.baseBytes
  const marks = log.markSeqs
  const top = marks.length - 1
  if (top >= 0 && seq >= marks[top]!) return log.markBytes[top]! // hot path: the end of the log
  let low = 0
  let high = top
  while (low < high) {
    const middle = (low + high) >> 1
    if (marks[middle]! < seq) low = middle + 1
    else high = middle
  }
  if (marks[low] === seq) return log.markBytes[low]!
  const startSeq = low === 0 ? log.base.seq : marks[low - 1]!
  const startBytes = low === 0 ? log.baseBytes : log.markBytes[low - 1]!
  return startBytes + ((log.markBytes[low]! - startBytes) * (seq - startSeq)) / (marks[low]! - startSeq)
}

/** The last seq of the longest range from `firstSeq` within both limits; at least one entry. */
export function rangeEnd(log: LogView, firstSeq: Seq, maxEntries: number, maxBytes: number): Seq {
  const most = Math.min(log.lastSeq, firstSeq + maxEntries - 1)
  const start = bytesThrough(log, firstSeq - 1)
  if (bytesThrough(log, most) - start <= maxBytes) return most
  let low = firstSeq
  let high = most
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (bytesThrough(log, middle) - start <= maxBytes) low = middle
    else high = middle - 1
  }
  return low
}

/**
 * L6: the highest seq at or below `seq` whose term is at or below `term`: where a log that has `term` at `seq` may
 * still agree with this one. Not below the base.
 */
export function findAgreementGuess(log: LogView, seq: Seq, term: Term): LogEnd {
  let at = Math.min(seq, log.lastSeq)
  if (at <= log.base.seq) return { seq: log.base.seq, term: log.base.term }
  for (let run = runIndexAt(log, at); run >= 0; run--) {
    if (log.runs[run]!.term <= term) return { seq: at, term: log.runs[run]!.term }
    at = run === 0 ? log.base.seq : log.runs[run - 1]!.lastSeq
  }
  return { seq: log.base.seq, term: log.base.term }
}

/** L1: the first seq of the batch whose term differs from ours; undefined if all that overlaps agrees. */
export function findConflict(log: LogView, batch: EntryBatch, fromSeq: Seq): Seq | undefined {
  const overlapEnd = Math.min(batch.lastSeq, log.lastSeq)
  let seq = fromSeq
  while (seq <= overlapEnd) {
    const ours = log.runs[runIndexAt(log, seq)]!
    const theirs = batch.terms.find(run => seq <= run.lastSeq)!
    if (ours.term !== theirs.term) return seq
    seq = Math.min(ours.lastSeq, theirs.lastSeq) + 1
  }
  return undefined
}
