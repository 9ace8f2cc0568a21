import {
  chainEntry,
  crc32,
  decodeOutcome,
  digestToHex,
  ENTRY_HEADER_BYTES,
  EntryKind,
  equalBytes,
  firstOutcome,
  readEntryHeader,
  requestSerial,
  requestSession,
} from '../../encoding/index.ts'
import type { StateDigest } from '../../model/index.ts'
import type { AppliedReport } from './node.ts'
import { OrderOracle } from './order-oracle.ts'
import { digestText, RecordedDigests } from './recorded-digests.ts'
import { Reference } from './reference.ts'
import type { Expected } from './reference.ts'
import { require, Violation } from './trace.ts'

interface Applied {
  readonly chain: number
  readonly term: number
  readonly expected: Expected | undefined
  /** What the first node that applied it answered. */
  outcome: Uint8Array | undefined
}

/**
 * Sees what every node applies: one entry per seq on all nodes for ever, the outcome that the reference expects, a repeated request
 * answered with its first answer, and equal digests at equal seqs.
 */
export class EntryOracle {
  readonly reference: Reference = new Reference()
  readonly order: OrderOracle = new OrderOracle()
  readonly recorded: RecordedDigests = new RecordedDigests()
  readonly #applied: (Applied | undefined)[] = [undefined]
  readonly #digests = new Map<number, { text: string; node: string }>()
  /** Of nodes that have drifted, by seq and digest: who had it first. */
  readonly #drifted = new Map<number, Map<string, string>>()
  readonly #lastDigest = new Map<string, StateDigest>()

  /** The newest seq that any node has applied. */
  get lastSeq(): number {
    return this.#applied.length - 1
  }

  /** Bytes of the outcome of the entry at `seq`, if some node has applied it and it has one. */
  outcomeAt(seq: number): Uint8Array | undefined {
    return this.#applied[seq]?.outcome
  }

  onApplied(node: string, report: AppliedReport): void {
    const { batch, firstSeq, appliedThrough, outcomes } = report
    const { bytes } = batch
    const before = this.lastSeq
    let at = 0
    let changes = 0
    for (let seq = batch.firstSeq; seq <= appliedThrough; seq++) {
      const header = readEntryHeader(bytes, at, bytes.length)
      require(header.seq === seq, () => `${node}: entry ${header.seq} where ${seq} should be`)
      const end = at + header.length
      if (seq >= firstSeq) {
        this.#note(node, bytes, at, end)
        if (this.#applied[seq]!.expected !== undefined) changes++
      }
      at = end
    }
    if (this.lastSeq > before) this.onCommit?.(this.lastSeq)
    for (const { seq, outcome, isDuplicate } of outcomes) this.#checkOutcome(node, seq, outcome, isDuplicate)
    this.#checkDigest(node, report, changes)
    for (const digest of report.recorded) if (digest.seq >= firstSeq) this.recorded.note(node, digest)
  }

  /** A node's state at rest, for example after an install, must be that of all others at its seq. */
  checkDigest(node: string, digest: StateDigest): void {
    if (this.isDrifting(node)) return
    const { seq } = digest
    const text = digestText(digest)
    const known = this.#digests.get(seq)
    if (this.hasDrifted(node)) this.#noteDrifted(node, seq, text)
    if (known === undefined) {
      if (!this.mayDiffer(node)) this.#digests.set(seq, { text, node })
    } else if (this.excusesDigest(node, known.text === text)) return
    else require(known.text === text, () => `digests differ at ${seq}: ${known.node} ${known.text}, ${node} ${text}`)
  }

  /** There is one drift in a run: whoever has it, by itself or from another node, has the same wrong state, or the right one. */
  #noteDrifted(node: string, seq: number, text: string): void {
    const texts = this.#drifted.get(seq) ?? new Map<string, string>()
    this.#drifted.set(seq, texts)
    if (!texts.has(text)) texts.set(text, node)
    const all = new Set([...texts.keys(), this.#digests.get(seq)?.text ?? text])
    require(all.size <= 2, () => `one drift, and more than two states at ${seq}: ${[...all].join(', ')}`)
  }

  /** The node that has drifted and had this state first; undefined too if it is known to be the right one. */
  drifterWith(state: StateDigest): string | undefined {
    const text = digestText(state)
    return this.#digests.get(state.seq)?.text === text ? undefined : this.#drifted.get(state.seq)?.get(text)
  }

  /** The node begins again from its disk. */
  forget(node: string): void {
    this.#lastDigest.delete(node)
  }

  #note(node: string, bytes: Uint8Array, at: number, end: number): void {
    const { seq, term, kind, leaderTimeMicros } = readEntryHeader(bytes, at, end)
    const chain = chainEntry(0, bytes, at, end)
    const known = this.#applied[seq]
    if (known !== undefined) {
      require(known.chain === chain, () =>
        `state machine safety: ${node} applied another entry ${seq} (term ${term}, before it was ${known.term})`)
      return
    }
    require(seq === this.#applied.length, () => `${node} applied ${seq} before anybody applied ${this.#applied.length}`)
    const before = this.reference.timeAt(seq - 1)
    this.onTime?.(seq, leaderTimeMicros)
    require(leaderTimeMicros >= before, () => `leader time fell at ${seq}: ${before} to ${leaderTimeMicros}`)
    const payload = bytes.slice(at + ENTRY_HEADER_BYTES, end)
    const expected = this.reference.apply({ seq, kind, leaderTimeMicros, payload })
    this.#applied.push({ chain, term, expected, outcome: undefined })
    if (expected?.isOvertaken === true) this.order.onOvertaken(requestSession(payload), requestSerial(payload), seq)
    this.describe?.(seq, describeEntry(kind, term, payload))
  }

  /** Told when entries up to `seq` were applied for the first time anywhere. */
  onCommit: ((seq: number) => void) | undefined

  /** Nodes whose state is made to differ: for scenarios. */
  isDrifting: (node: string) => boolean = () => false

  /** Nodes whose digest may be a wrong one, for a while. */
  mayDiffer: (node: string) => boolean = () => false
  /** Those of which it does, as far as is known. */
  hasDrifted: (node: string) => boolean = () => false
  /** Told whether such a node's digest is right; answers whether it need not be. */
  excusesDigest: (node: string, isRight: boolean) => boolean = () => false

  /** Whether the state of the node may differ from that of its peers. */
  mayBeWrong(node: string): boolean {
    return this.isDrifting(node) || this.mayDiffer(node)
  }

  /** Told the leader time of each entry once. */
  onTime: ((seq: number, timeMicros: number) => void) | undefined

  /** Told of each entry once, when it is first applied. */
  describe: ((seq: number, text: string) => void) | undefined

  #checkOutcome(node: string, seq: number, outcome: Uint8Array, isDuplicate: boolean): void {
    const applied = this.#applied[seq]!
    if (applied.outcome !== undefined) {
      const first = applied.outcome
      require(equalBytes(first, outcome), () =>
        `${node} answers entry ${seq} otherwise: ${show(outcome)}, first ${show(first)}`)
      return
    }
    applied.outcome = outcome.slice()
    const { expected } = applied
    if (expected === undefined) throw new Violation(`${node} answers entry ${seq}, which asks nothing`)
    const actual = decodeOutcome(outcome)
    if (actual.status === 'refused' && actual.code === 'serial_out_of_window' && expected.mayBeForgotten) return
    const isTold = actual.status === 'committed' && actual.isDuplicate === true
    require(!isTold || expected.repeats !== undefined, () => `entry ${seq} repeats nothing: ${show(outcome)}`)
    if (expected.repeats !== undefined) {
      const first = this.#applied[expected.repeats]!.outcome
      const isSame = first === undefined || equalBytes(firstOutcome(first), firstOutcome(outcome))
      require(isDuplicate && isSame && isTold === (actual.status === 'committed'), () =>
        `entry ${seq} repeats ${expected.repeats}: ${show(outcome)}, but the first answer was ${show(first!)}`)
    }
    require(isAsExpected(expected, outcome), () => `entry ${seq}: ${show(outcome)}, expected ${showExpected(expected)}`)
  }

  #checkDigest(node: string, { digest, firstSeq, appliedThrough }: AppliedReport, changes: number): void {
    if (appliedThrough < firstSeq) return
    this.checkDigest(node, digest)
    const before = this.#lastDigest.get(node)
    this.#lastDigest.set(node, digest)
    if (before === undefined || changes === 0 || before.seq !== firstSeq - 1) return
    // Whatever is remembered of a request, a refusal too, must count in S.
    const recorded = this.#countRecorded(firstSeq, appliedThrough)
    const isSame = digestToHex(before.sum) === digestToHex(digest.sum)
    require(recorded === 0 || !isSame, () => `${recorded} outcomes up to ${appliedThrough} left no trace in S`)
  }

  #countRecorded(fromSeq: number, throughSeq: number): number {
    let count = 0
    for (let seq = fromSeq; seq <= throughSeq; seq++) {
      const { expected } = this.#applied[seq]!
      if (expected === undefined || expected.repeats !== undefined) continue
      if (expected.outcome.status === 'committed' && expected.outcome.seq === seq) count++
    }
    return count
  }
}

function isAsExpected({ outcome: expected }: Expected, bytes: Uint8Array): boolean {
  const actual = decodeOutcome(bytes)
  if (actual.status === 'refused') {
    if (expected.status !== 'refused' || expected.code !== actual.code) return false
    return expected.actualSeq === undefined || (actual.detail?.actualSeq ?? 0) === expected.actualSeq
  }
  if (expected.status !== 'committed' || expected.seq !== actual.seq) return false
  if (expected.results.length !== actual.results.length) return false
  return expected.results.every((result, index) => {
    const found = actual.results[index]
    return result === 'either' ? typeof found === 'boolean' : result === found
  })
}

function show(outcome: Uint8Array): string {
  return JSON.stringify(decodeOutcome(outcome), plain)
}

function showExpected({ outcome }: Expected): string {
  return JSON.stringify(outcome, plain)
}

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}

const KIND_NAMES = Object.fromEntries(Object.entries(EntryKind).map(([name, kind]) => [kind, name]))

function describeEntry(kind: EntryKind, term: number, payload: Uint8Array): string {
  const name = `${KIND_NAMES[kind]} of term ${term} ${crc32(payload, 0).toString(16)}`
  return kind === EntryKind.transaction ? `${name} ${requestSession(payload)}/${requestSerial(payload)}` : name
}
