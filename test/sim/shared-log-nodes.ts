import {
  encodeConfiguration,
  encodeEntry,
  encodePlainCommit,
  encodeSessionOpening,
  encodeTick,
  decodeOutcome,
  EntryKind,
} from '../../src/encoding/index.ts'
import { openStateMachine } from '../../src/engine/index.ts'
import type { EngineStateMachine } from '../../src/engine/index.ts'
import { DEFAULT_SETTINGS, QuorateError, seqOfToken } from '../../src/model/index.ts'
import type { NodeService, OutcomeHandler, StateView } from '../../src/model/index.ts'
import type { NodeOpening, OpenNode, RunningNode } from '../../src/testing/index.ts'

const HISTORY = 'ab'.repeat(16)
const APPLY_EVERY_MS = 3

/** Nodes over one log that never fails and that all of them see: what the harness itself is tested with. */
export class SharedLog {
  readonly entries: Uint8Array[] = []
  timeMicros = 0

  constructor() {
    const configuration = { historyId: HISTORY, members: [], voters: [1], outgoing: [], learners: [], learnersNext: [] }
    this.append(EntryKind.configuration, encodeConfiguration(configuration), 1)
    this.append(EntryKind.noop, new Uint8Array(0), 1)
  }

  append(kind: EntryKind, payload: Uint8Array, wallMicros: number): number {
    const seq = this.entries.length + 1
    this.timeMicros = Math.max(this.timeMicros, wallMicros)
    this.entries.push(encodeEntry({ kind, seq, term: 1, leaderTimeMicros: this.timeMicros }, payload))
    return seq
  }
}

/** What the nodes get wrong, to see that the harness notices. */
export type PlantedFault = 'forgetful' | 'stale' | 'twice' | 'silent watch'

export function sharedLogNodes(fault?: PlantedFault): OpenNode {
  const log = new SharedLog()
  return async opening => {
    const { platform, directory, storage } = opening
    const { machine } = await openStateMachine({
      files: platform.files,
      directory,
      directoryId: 'cd'.repeat(16),
      groupId: 1,
      pageBytes: storage.pageBytes,
      budgetBytes: storage.budgetBytes,
      clock: platform.clock,
      timers: platform.timers,
    })
    return new SharedLogNode(log, machine, opening, fault)
  }
}

class SharedLogNode implements RunningNode {
  readonly service: NodeService
  readonly #log: SharedLog
  readonly #machine: EngineStateMachine
  readonly #opening: NodeOpening
  readonly #fault: PlantedFault | undefined
  readonly #waiting = new Map<number, OutcomeHandler>()
  readonly #readers: { seq: number; take: () => void }[] = []
  #isApplying = false

  constructor(log: SharedLog, machine: EngineStateMachine, opening: NodeOpening, fault: PlantedFault | undefined) {
    this.#log = log
    this.#machine = machine
    this.#opening = opening
    this.#fault = fault
    this.service = this.#makeService()
    this.#applyLater()
  }

  inspect(): ReturnType<RunningNode['inspect']> {
    const { appliedSeq, digest } = this.#machine
    const isLeader = this.#opening.name === 'n1'
    const role = isLeader ? 'leader' : 'follower'
    const lastSeq = this.#log.entries.length
    const log = {
      commitSeq: lastSeq,
      lastSeq,
      syncedSeq: Infinity,
      isWhole: true,
      term: 1,
      syncedTerm: 1,
      vote: 1,
      lastTerm: 1,
      unjoinedReason: undefined,
    }
    return { appliedSeq, ...log, role, leaderId: 1, isReady: isLeader, isFenced: false, digest }
  }

  #applyLater(): void {
    const isSlow = this.#fault === 'stale' && this.#opening.name === 'n3'
    this.#opening.platform.timers.after(isSlow ? 20 * APPLY_EVERY_MS : APPLY_EVERY_MS, () => {
      this.#tick()
      this.#apply().then(undefined, this.#opening.onFatal)
      this.#applyLater()
    })
  }

  #tick(): void {
    const due = this.#machine.nextExpiryMicros()
    if (this.#opening.name !== 'n1' || due === undefined) return
    const now = this.#opening.platform.clock.wallMicros()
    if (now >= due && this.#machine.appliedSeq === this.#log.entries.length) {
      this.#log.append(EntryKind.tick, encodeTick(1000), now)
    }
  }

  async #apply(): Promise<void> {
    if (this.#isApplying) return
    this.#isApplying = true
    const machine = this.#machine
    while (machine.appliedSeq < this.#log.entries.length) {
      const firstSeq = machine.appliedSeq + 1
      const parts = this.#log.entries.slice(firstSeq - 1, firstSeq + 20)
      const bytes = Buffer.concat(parts)
      const batch = { firstSeq, lastSeq: firstSeq + parts.length - 1, bytes: Uint8Array.from(bytes) }
      const { appliedThrough, outcomes, cold } = machine.apply(batch, () => false)
      this.#opening.onApplied({
        batch,
        firstSeq,
        appliedThrough,
        outcomes,
        digest: machine.digest,
        recorded: machine.digests,
      })
      for (const { seq, outcome } of outcomes) {
        this.#waiting.get(seq)?.(outcome, undefined)
        this.#waiting.delete(seq)
      }
      if (cold !== undefined) await cold
    }
    this.#isApplying = false
    for (const reader of this.#readers.splice(0)) {
      if (machine.appliedSeq >= reader.seq) reader.take()
      else this.#readers.push(reader)
    }
  }

  #makeService(): NodeService {
    const machine = this.#machine
    const clock = this.#opening.platform.clock
    return {
      historyId: HISTORY,
      settings: DEFAULT_SETTINGS,
      leaderTimeMicros: 0,
      isDraining: false,
      topology: { historyId: HISTORY, term: 1, version: 1, leaderId: 1, nodeId: 1, members: [] },
      onTopology: () => () => {},
      status: () => {
        throw new Error('a shared log has no status')
      },
      transferLeadership: () => Promise.resolve(),
      sessionOwner: session => machine.sessionOwner(session),
      nextNodeRequest: () => undefined,
      nodeSessionEnded: () => {},
      submit: (request, onOutcome) => {
        const refusal = machine.checkRequest(request)
        if (refusal !== undefined) return onOutcome(undefined, new QuorateError(refusal.code, refusal.message))
        const seq = this.#log.append(EntryKind.transaction, request, clock.wallMicros())
        if (this.#fault === 'twice' && seq % 50 === 0) {
          const copy = request.slice()
          copy.fill(0, 8, 32) // without its session nobody sees that it is a copy
          this.#log.append(EntryKind.transaction, copy, clock.wallMicros())
        }
        if (this.#fault === 'forgetful' && seq % 50 === 0) {
          this.#log.entries[seq - 1] = this.#noop(seq)
          return onOutcome(encodePlainCommit(seq), undefined)
        }
        this.#waiting.set(seq, onOutcome)
      },
      openSession: opening =>
        new Promise((resolve, reject) => {
          const payload = encodeSessionOpening({ ...opening, notAfterMicros: 0 })
          const seq = this.#log.append(EntryKind.openSession, payload, clock.wallMicros())
          this.#waiting.set(seq, outcome => {
            const { status, seq: session } = decodeOutcome(outcome!)
            if (status === 'committed') resolve(session)
            else reject(new QuorateError('session_limit', 'refused'))
          })
        }),
      whenReadable: (consistency, _, onView) => {
        const give = (view: Promise<StateView>): void => {
          view.then(
            found => onView(found, undefined),
            (error: unknown) => onView(undefined, error as QuorateError),
          )
        }
        if (typeof consistency === 'object' && 'atSeq' in consistency) {
          const entries = (from: number, through: number) =>
            Promise.resolve({
              firstSeq: from,
              lastSeq: through,
              bytes: Uint8Array.from(Buffer.concat(this.#log.entries.slice(from - 1, through))),
            })
          give(machine.viewAt(seqOfToken(consistency.atSeq, HISTORY), entries))
          return
        }
        if (this.#fault === 'stale') return onView(machine.view(), undefined)
        const isWeak = consistency === 'local' || consistency === 'checkpoint'
        const seq = isWeak ? 0 : this.#log.entries.length
        this.#readers.push({ seq, take: () => onView(machine.view(), undefined) })
      },
      watch: (selector, fromSeq, sink) => {
        const isSilent = this.#fault === 'silent watch'
        const commit: typeof sink.commit = (seq, changes) => {
          if (!isSilent || seq % 20 !== 0) sink.commit(seq, changes)
        }
        return machine.watch(selector, fromSeq, {
          commit,
          rows: (seq, rows) => sink.rows(seq, rows),
          progress: seq => sink.progress(seq),
          reset: view => sink.reset(view),
          failed: error => sink.failed(error),
          get queuedBytes() {
            return sink.queuedBytes
          },
        })
      },
    }
  }

  #noop(seq: number): Uint8Array {
    return encodeEntry(
      { kind: EntryKind.noop, seq, term: 1, leaderTimeMicros: this.#log.timeMicros },
      new Uint8Array(0),
    )
  }
}
