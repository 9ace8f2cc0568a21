import { activeConfiguration, majoritySize } from '../../../../src/raft/core/index.ts'
import type {
  Configuration,
  Input,
  Message,
  NodeId,
  Progress,
  RaftState,
  Seq,
  Term,
} from '../../../../src/raft/core/index.ts'
import type { SimEntry } from './entries.ts'
import type { SimNode } from './node.ts'
import { OracleViolation } from './oracle.ts'

/** Places that a pair may have to probe in a row: one for each term in which their logs can differ, and some that came late. */
const PROBES_MAX = 12
/** What a turn may be late. */
const SLACK_MS = 120

/** What a leader knows of a follower. */
export type Peer = Pick<Progress, 'match' | 'next' | 'state' | 'streamId'>

/** A node as its turn begins. */
export interface Before {
  readonly term: Term
  readonly role: RaftState['role']
  readonly commit: Seq
  readonly isHandingOver: boolean
  readonly vote: NodeId
  readonly lastSeq: Seq
  readonly lastTerm: Term
  /** Answers that wait for a sync. */
  readonly held: ReadonlySet<unknown>
  readonly progress: ReadonlyMap<NodeId, Peer>
}

/**
 * Holds every node to what the rules say of a single step, seen from outside: what it sends rests on its disk, and what it was told it
 * takes to heart. Most bugs break such a rule long before two nodes disagree.
 */
export class Promises {
  readonly #node: (id: NodeId) => SimNode | undefined
  readonly #isLiar: (id: NodeId) => boolean
  /** Probes in a row that went further back, by pair and term. */
  readonly #probes = new Map<string, number>()
  readonly #transferTerms = new Map<NodeId, Term>()
  /** Configurations that were committed, by rising seq. */
  readonly #configurations: { readonly seq: Seq; readonly configuration: Configuration }[] = []

  constructor(node: (id: NodeId) => SimNode | undefined, isLiar: (id: NodeId) => boolean) {
    this.#node = node
    this.#isLiar = isLiar
  }

  /** A hand-over that was not synced is forgotten; the node may stand in the same term by itself. */
  onCrash(node: SimNode): void {
    this.#transferTerms.delete(node.id)
  }

  /** A message leaves; the state is that of the end of the turn. */
  onSend(node: SimNode, message: Message): void {
    const { state } = node.core!
    switch (message.type) {
      case 'voteResponse':
        if (message.isGranted) this.#checkVote(node, message.to, message.campaignTerm)
        return
      case 'preVoteResponse':
        require(message.isGranted || message.reason !== 'voted', `E5, E8: a pre-vote of ${node.id} depends on its vote`)
        return
      case 'preVoteRequest':
      case 'voteRequest':
        if (state.role === 'follower') return
        require(state.pendingInstall === null, `E9: ${node.id} campaigns while a snapshot is installed`)
        if (message.type === 'voteRequest' && this.#transferTerms.get(node.id) === message.term) {
          require(message.isTransfer, `T5: ${node.id} was handed the lead and asks as if it was not`)
        }
        return
      case 'appendResponse':
        this.#checkAnswer(node, message)
        return
      case 'timeoutNow': {
        // A hand-over that is given up in the same turn lets in what the other has not heard of: it is held to the end that it is told.
        const { seq } = message.last
        const last = node.log.at(seq)
        const to = this.#node(message.to)?.disk
        const held = to?.log.at(seq)
        // One that follows a later term may have overwritten what it had: it hears no leader of this one.
        const isBeyond = to !== undefined && to.hardState.term > message.term
        const isThere = last === undefined || isBeyond || held?.chain === last.chain || this.#covers(message.to, seq)
        require(isThere, `T2: ${message.to} is handed the lead without ${seq}`)
        const isWhole = state.transfer === null || seq === node.log.lastSeq
        require(isWhole, `T2: ${message.to} is handed the lead as of ${seq}, of ${node.log.lastSeq}`)
        return
      }
      case 'heartbeatRequest':
        this.#checkHeartbeat(node)
        return
      default:
    }
  }

  #covers(id: NodeId, seq: Seq): boolean {
    const disk = this.#node(id)?.disk
    return this.#isLiar(id) || disk === undefined || Math.max(disk.log.base.seq, disk.checkpoint?.seq ?? 0) >= seq
  }

  /** E1, D1: term and vote are on the disk before the answer leaves. R8: and no lease was promised before the restart. */
  #checkVote(node: SimNode, candidate: NodeId, term: Term): void {
    const { hardState } = node.disk
    const isSynced = hardState.term > term || (hardState.term === term && hardState.vote === candidate)
    require(isSynced, `E1: the vote of ${node.id} for ${candidate} in ${term} is not synced`)
  }

  /** L13: what is acknowledged is synced. */
  #checkAnswer(node: SimNode, message: Extract<Message, { type: 'appendResponse' }>): void {
    if (!message.isAccepted) return
    const { disk } = node
    const held = Math.max(disk.log.lastSeq, disk.checkpoint?.seq ?? 0)
    require(held >= message.matchSeq, `L13: ${node.id} acknowledges ${message.matchSeq}, its disk ends at ${held}`)
  }

  /** E12, T6: whoever keeps others quiet has heard of most of them, and its disk answers. */
  #checkHeartbeat(node: SimNode): void {
    const { state } = node.core!
    const { leadership, settings } = state
    const configuration = activeConfiguration(state)
    if (leadership === null || configuration === undefined) return
    const isHeard = (id: NodeId): boolean =>
      id === node.id ||
      state.nowMs - (leadership.progress.get(id)?.lastActiveMs ?? 0) <= settings.electionMaxMs + SLACK_MS
    const isOfMost = ({ voters }: Configuration): boolean =>
      voters.filter(isHeard).length >= majoritySize(voters.length)
    // A leader counts at the tick; a change may have been appended after it, in the same turn.
    const counted = node.turnConfiguration ?? configuration
    require(isOfMost(configuration) || isOfMost(counted), `E12: ${node.id} leads without having heard of most`)
    const oldest = node.disk.pending[0]
    const stalledMs = oldest === undefined ? 0 : state.nowMs - oldest.writtenAtMs
    require(stalledMs <= 2 * settings.electionMaxMs + SLACK_MS, `T6: ${node.id} leads with a disk that hangs`)
  }

  /** A leader begins: E3, E4, M5: its own vote and those of majorities are on disks. */
  onLeader(node: SimNode, term: Term): void {
    const { state } = node.core!
    const configuration = activeConfiguration(state)
    if (configuration === undefined) return
    const own = node.disk.hardState
    require(own.term === term && own.vote === node.id, `E3: ${node.id} leads ${term}, its own vote is not synced`)
    const hasVoted = (id: NodeId): boolean => {
      const hardState = this.#node(id)?.disk.hardState
      return (
        hardState !== undefined && (hardState.term > term || (hardState.term === term && hardState.vote === node.id))
      )
    }
    for (const half of [configuration.voters, configuration.outgoing]) {
      if (half.length === 0) continue
      require(half.filter(hasVoted).length >= majoritySize(half.length), `E3: ${node.id} leads ${term} without votes`)
    }
  }

  /** S3. */
  onApply(node: SimNode): void {
    require(node.core!.state.pendingInstall === null, `S3: ${node.id} applies while a snapshot is installed`)
  }

  onApplied(entry: SimEntry): void {
    const last = this.#configurations.at(-1)
    if (entry.configuration === null || (last !== undefined && last.seq >= entry.seq)) return
    this.#configurations.push({ seq: entry.seq, configuration: entry.configuration })
  }

  /** R6: a read that no round confirmed; one that leads alone needs none. */
  onLeaseRead(node: SimNode, before: Before): void {
    const { state } = node.core!
    const isAlone = (activeConfiguration(state)?.voters.length ?? 0) < 2
    const mayRead = isAlone || state.term !== before.term || !before.isHandingOver
    require(mayRead, `R6: ${node.id} reads by its lease while it hands over`)
  }

  /** T1. */
  onAdmitted(node: SimNode): void {
    require(node.core!.state.transfer === null, `T1: ${node.id} takes a proposal while it hands over`)
  }

  /** The turn is over: `inputs` were given, `sent` left in it. */
  afterTurn(node: SimNode, before: Before, inputs: readonly Input[], sent: readonly Message[]): void {
    const { state } = node.core!
    this.#checkLeader(node, before)
    this.#checkConfigurations(node, inputs)
    for (const input of inputs) if (input.type === 'recv') this.#checkHeard(node, before, input.message, inputs, sent)
    const top = state.configurations.at(-1)
    require(top === undefined || top.seq <= state.log.lastSeq, `M4: a configuration of ${node.id} outlived its entry`)
  }

  #checkLeader(node: SimNode, before: Before): void {
    const { state } = node.core!
    const { leadership, settings } = state
    if (leadership === null) return
    const beats = (leadership.nextHeartbeatMs - leadership.heartbeatOriginMs) / settings.heartbeatMs
    require(Math.abs(beats - Math.round(beats)) < 1e-6, `T8: the heartbeats of ${node.id} have left their schedule`)
    if (before.role === 'leader' && before.term === state.term && state.commit > before.commit) {
      const term = node.log.at(state.commit)?.term ?? node.log.base.term
      require(term === state.term, `L9: ${node.id} commits ${state.commit} of term ${term} by counting`)
    }
    const active = state.configurations.at(-1)
    if (active === undefined || active.seq <= state.commit || leadership.termStartSeq <= state.commit) return
    require(node.log.at(active.seq)?.term !== state.term, `M2: ${node.id} changes members before it has committed`)
  }

  /** S1, S7: after an install log and configuration are those of the group. */
  #checkConfigurations(node: SimNode, inputs: readonly Input[]): void {
    const { state } = node.core!
    for (const input of inputs) {
      if (input.type !== 'snapshotInstalled') continue
      const { seq, chain } = input.meta
      const own = node.log.at(seq) ?? (node.log.base.seq === seq ? node.log.base : undefined)
      require(own === undefined || own.chain === chain, `S1: ${node.id} keeps another entry ${seq} than it installed`)
      const known = this.#configurations.findLast(each => each.seq <= state.commit)
      const used = state.configurations.findLast(each => each.seq <= state.commit)
      if (known === undefined || used === undefined) continue
      require(idsOf(known.configuration) ===
        idsOf(
          used.configuration,
        ), `S7: ${node.id} at ${state.commit} has voters ${idsOf(used.configuration)}, not ${idsOf(known.configuration)}`)
    }
  }

  /** What a leader makes of an answer; `isAlone`: nothing else in the turn was about that peer. */
  #checkAnswered(
    node: SimNode,
    message: Extract<Message, { type: 'appendResponse' }>,
    before: Peer,
    now: Peer,
    isAlone: boolean,
  ): void {
    const { from, term } = message
    if (message.isAccepted) {
      this.#probes.delete(`${node.id}>${from}/${term}`)
      const isGivenUp = before.state !== 'snapshot' && message.streamId !== before.streamId
      const isCounted = now.match !== before.match
      require(!(
        isAlone &&
        isGivenUp &&
        isCounted
      ), `L8: ${node.id} counts an answer of ${from} to what it has given up`)
      return
    }
    if (before.state === 'probe' && now.state === 'probe' && now.next < before.next)
      this.#countProbe(node.id, from, term)
    if (!isAlone || message.rejectedSeq > before.match) return
    require(now.next >= before.next, `L7: ${node.id} takes back what ${from} has matched`)
  }

  /** L6: a few probes find where two logs meet, however long they are. */
  #countProbe(leader: NodeId, follower: NodeId, term: Term): void {
    const pair = `${leader}>${follower}/${term}`
    const count = (this.#probes.get(pair) ?? 0) + 1
    this.#probes.set(pair, count)
    require(count <= PROBES_MAX, `L6: ${count} probes in a row of ${follower} by ${leader}`)
  }

  #checkHeard(
    node: SimNode,
    before: Before,
    message: Message,
    inputs: readonly Input[],
    sent: readonly Message[],
  ): void {
    const { state } = node.core!
    const { from, term } = message
    switch (message.type) {
      case 'voteRequest': {
        if (state.vote !== from || state.term !== term || (before.term === term && before.vote === from)) return
        const { lastTerm, lastSeq } = before
        const isUpToDate =
          message.last.term > lastTerm || (message.last.term === lastTerm && message.last.seq >= lastSeq)
        require(isUpToDate, `E2: ${node.id} with ${lastSeq} of ${lastTerm} votes for ${from}`)
        return
      }
      case 'preVoteResponse':
        require(message.isGranted || term <= state.term, `E5: ${node.id} stays at ${state.term}, ${from} is at ${term}`)
        return
      case 'timeoutNow':
        if (state.role === 'candidate' && before.role !== 'candidate') this.#transferTerms.set(node.id, state.term)
        return
      case 'heartbeatRequest':
      case 'appendRequest': {
        if (term < before.term) {
          const isAnswered = [...sent, ...state.storage.held.map(held => held.message)].some(({ to }) => to === from)
          require(isAnswered, `E7: ${node.id} at ${before.term} leaves ${from} at ${term} without an answer`)
        }
        if (message.type === 'appendRequest' && term === before.term && message.prevSeq < before.commit) {
          const isRejected = sent.some(
            each =>
              each.type === 'appendResponse' &&
              !each.isAccepted &&
              each.to === from &&
              each.rejectedSeq === message.prevSeq &&
              each.sentAtMs === message.sentAtMs &&
              // The refusal of an earlier copy, which waited for a sync that this turn has reported.
              !before.held.has(each),
          )
          require(!isRejected, `L5: ${node.id} rejects ${message.prevSeq}, and has committed ${before.commit}`)
        }
        const isAsked = inputs.some(({ type }) => type === 'campaign' || type === 'unreachable')
        if (term !== before.term || before.role === 'leader' || isAsked || state.leader !== from) return
        require(!sent.some(
          ({ type }) => type === 'preVoteRequest',
        ), `T9: ${node.id} campaigns though it has heard of its leader`)
        return
      }
      case 'appendResponse': {
        const known = before.progress.get(from)
        const now = state.leadership?.progress.get(from)
        if (known === undefined || now === undefined || before.term !== state.term) return
        const answers = inputs.filter(input => input.type === 'recv' && input.message.from === from)
        const isAlone =
          answers.length === 1 && !inputs.some(({ type }) => type === 'snapshotSent' || type === 'unreachable')
        this.#checkAnswered(node, message, known, now, isAlone && message.recoveryId === 0)
        return
      }
      default:
    }
  }
}

function idsOf({ voters, outgoing, learners }: Configuration): string {
  const sorted = (ids: readonly NodeId[]): string => ids.toSorted((a, b) => a - b).join()
  return `${sorted(voters)}/${sorted(outgoing)}/${sorted(learners)}`
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new OracleViolation(message)
}
