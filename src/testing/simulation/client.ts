import {
  decodeEnvelope,
  decodeOutcome,
  encodeEnvelope,
  encodeRequest,
  equalBytes,
  firstOutcome,
} from '../../encoding/index.ts'
import type { Outcome, TransactionEnvelope } from '../../encoding/index.ts'
import { QuorateError, ROOT_CALLER } from '../../model/index.ts'
import type { SeededRandom } from '../../platform/simulated/index.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'
import type { EntryOracle } from './entry-oracle.ts'
import type { History } from './history.ts'
import type { RunningNode } from './node.ts'
import { OrderedLine } from './ordered-line.ts'
import type { Sending } from './ordered-line.ts'
import { SCOPE } from './names.ts'
import { ATTEMPT_MS } from './profile.ts'
import { require, Violation } from './trace.ts'

/** After so long a client gives up and lives with not knowing. */
const PATIENCE_MS = 6_000

/** How a request ended for its client. */
export type Ending =
  | { readonly type: 'outcome'; readonly outcome: Outcome; readonly bytes: Uint8Array }
  /** Refused, and certainly not applied. */
  | { readonly type: 'refused'; readonly error: QuorateError }
  /** Nobody will tell any more. */
  | { readonly type: 'unknown' }

export interface SubmitOptions {
  readonly envelope: TransactionEnvelope
  /** 0 = no bound. */
  readonly notAfterMs: number
  readonly onEnd: (ending: Ending) => void
}

interface OpenRequest {
  readonly envelope: Uint8Array
  readonly session: number
  readonly serial: number
  readonly notAfterMicros: number
  readonly hasIdempotencyKey: boolean
  /** Namespaces that it writes to. */
  readonly scopes: readonly { readonly project: string; readonly scope?: string }[]
  readonly calledAtMs: number
  /** Everything acknowledged before the call. */
  readonly floor: number
  readonly onEnd: (ending: Ending) => void
  copy: number
  attempt: number
  isEnded: boolean
  /** The first answer, kept to be compared with later ones. */
  answer: Uint8Array | undefined
}

interface Answer {
  readonly bytes: Uint8Array | undefined
  readonly error: QuorateError | undefined
  readonly sending: Sending
}

/**
 * A client with a session: numbers its requests, sends them to some node, sends copies elsewhere when an answer stays away, and opens a
 * new session when the old one has ended. It trusts nothing: every answer is compared with what the group applied.
 */
export class SimulatedClient {
  readonly name: string
  /** As whom it asks. */
  readonly caller: string
  readonly #cluster: SimulatedCluster
  readonly #oracle: EntryOracle
  readonly #history: History
  readonly #random: SeededRandom
  readonly #open = new Set<OpenRequest>()
  /** A client that has one keeps the order of its requests; others send each by itself, to any node, and so have a session as doors have. */
  readonly #line: OrderedLine<OpenRequest> | undefined
  readonly #denied: { readonly session: number; readonly serial: number; readonly code: string }[] = []
  /** Refusals because the node had too much to do. */
  busy = 0
  #session = 0
  #isOpening = false
  #serial = 0
  #acknowledgedThrough = 0
  readonly #answered = new Set<number>()
  #home: ClusterNode
  onSession: (() => void) | undefined

  constructor(
    name: string,
    cluster: SimulatedCluster,
    oracle: EntryOracle,
    history: History,
    caller: string = ROOT_CALLER,
  ) {
    this.name = name
    this.caller = caller
    this.#cluster = cluster
    this.#oracle = oracle
    this.#history = history
    this.#random = cluster.world.random.split(`client ${name}`)
    this.#home = this.#random.pick(cluster.nodes)
    const line = this.#random.split('line')
    if (!line.chance(0.5)) return
    this.#line = new OrderedLine(cluster, line, (...sending) => this.#submit(...sending))
  }

  get hasSession(): boolean {
    return this.#session !== 0
  }

  get openCount(): number {
    return this.#open.size
  }

  get session(): number {
    return this.#session
  }

  /** Opens a session, trying until it has one. */
  connect(): void {
    if (this.#isOpening) return
    this.#isOpening = true
    this.#session = 0
    const nonce = this.#random.bytes(16)
    this.#tryOpening(nonce, 0)
  }

  #tryOpening(nonce: Uint8Array, attempt: number): void {
    const { world } = this.#cluster
    const owner = this.#nextNode(attempt)
    let isOver = false
    const again = (): void => {
      if (isOver) return
      isOver = true
      this.#tryOpening(nonce, attempt + 1)
    }
    world.schedule(this.#random.uniform(...ATTEMPT_MS), again)
    this.#call(owner, node => {
      const host = owner.host!
      node.service
        .openSession({ caller: this.caller, kind: this.#line === undefined ? 'node' : 'client', nonce }, 1000)
        .then(
          session => {
            if (isOver || host.state === 'dead') return
            isOver = true
            this.#isOpening = false
            this.#begin(session)
          },
          (error: unknown) => {
            if (host.state !== 'dead') checkCode(this.#cluster, owner, error)
          },
        )
    })
  }

  #begin(session: number): void {
    this.#cluster.trace.note(`${this.name} has session ${session}`)
    this.#session = session
    this.#serial = 0
    this.#acknowledgedThrough = 0
    this.#answered.clear()
    this.#history.told(this.#cluster.world.nowMs, session)
    if (this.#line !== undefined) this.#oracle.order.expect(session)
    this.onSession?.()
  }

  submit(options: SubmitOptions): void {
    if (this.#session === 0) throw new Error('a client submits without a session')
    const { world } = this.#cluster
    const notAfterMicros = options.notAfterMs === 0 ? 0 : Math.round(this.#leaderTime() + options.notAfterMs * 1000)
    const request: OpenRequest = {
      envelope: encodeEnvelope(options.envelope),
      session: this.#session,
      serial: ++this.#serial,
      notAfterMicros,
      hasIdempotencyKey: options.envelope.idempotencyKey !== undefined,
      scopes: options.envelope.mutations.filter(mutation => 'project' in mutation),
      calledAtMs: world.nowMs,
      floor: this.#history.floor,
      onEnd: options.onEnd,
      copy: 0,
      attempt: 0,
      isEnded: false,
      answer: undefined,
    }
    this.#open.add(request)
    // Its first sending may be refused by what catalog or permissions say, and its copies be judged behind what came meanwhile.
    if (this.caller !== ROOT_CALLER || request.scopes.some(({ scope = SCOPE }) => scope !== SCOPE))
      this.#oracle.order.excuse(request.session, request.serial)
    world.schedule(PATIENCE_MS, () => {
      if (!request.isEnded && !this.#cluster.isHealing) this.#giveUp(request)
    })
    this.#send(request)
  }

  #leaderTime(): number {
    return this.#oracle.reference.timeAt(this.#oracle.lastSeq)
  }

  /** Stays with a node while it answers. */
  #nextNode(attempt: number): ClusterNode {
    if (attempt > 0) this.#home = this.#random.pick(this.#cluster.nodes)
    return this.#home
  }

  /** Reaches a node after the way to it; what is dead or not open yet is not reached. */
  #call(owner: ClusterNode, use: (node: NonNullable<ClusterNode['node']>) => void): void {
    const { host } = owner
    if (host === undefined) return
    this.#cluster.world.schedule(
      this.#random.uniform(0.05, 1),
      () => {
        if (owner.host === host && owner.node !== undefined) use(owner.node)
      },
      host,
    )
  }

  #send(request: OpenRequest): void {
    if (this.#line !== undefined) return this.#line.send(request)
    const { world } = this.#cluster
    const attempt = ++request.attempt
    const copy = request.copy++
    const owner = this.#nextNode(attempt - 1)
    const again = (): void => {
      if (!request.isEnded && request.attempt === attempt) this.#send(request)
    }
    world.schedule(this.#random.uniform(...this.#cluster.attemptMs), again)
    this.#call(owner, node => {
      const fail = (): void => {
        if (request.attempt !== attempt) return
        world.schedule(this.#random.uniform(1, 60), () => {
          if (!request.isEnded && request.attempt === attempt) this.#send(request)
        })
      }
      this.#submit(owner, node, request, { copy, isOpen: () => true, fail, again: fail })
    })
  }

  #submit(owner: ClusterNode, node: RunningNode, request: OpenRequest, sending: Sending): void {
    const { copy } = sending
    const { world, profile } = this.#cluster
    const { host } = owner
    const { session, serial, notAfterMicros, envelope } = request
    const header = { caller: this.caller, session, serial, notAfterMicros, copy }
    const bytes = encodeRequest({ ...header, acknowledgedThrough: this.#acknowledgedThroughOf(request) }, envelope)
    let isAnswered = false
    const wasApplied = this.#oracle.reference.answerOf(session, serial) !== undefined
    node.service.submit(bytes, (outcome, error) => {
      if (host?.state === 'dead') return
      if (isAnswered) this.#cluster.fail(new Violation(`${owner.name} answers ${session}/${serial} twice`))
      isAnswered = true
      if (outcome !== undefined && owner.isWiped) {
        this.#cluster.fail(new Violation(`${owner.name} has lost its directory and answers ${session}/${serial}`))
      }
      if (outcome !== undefined && owner.inspect()?.isFenced === true) {
        this.#cluster.fail(new Violation(`${owner.name} is fenced and answers ${session}/${serial}`))
      }
      // Its time is over for this node, which lets go what was issued behind it; a copy elsewhere is refused then.
      if (error?.code === 'timeout') this.#oracle.order.excuse(session, serial)
      // On a line an answer is lost with all that come after it.
      if (!sending.isOpen()) return
      if (this.#random.chance(profile.workload.lostAnswers)) return this.#line && sending.fail()
      // Only a first sending may be refused by what the catalog says now, however late it comes: who sent a copy does not believe it.
      if (copy > 0 && wasApplied && error !== undefined && STATE_CODES.has(error.code)) {
        this.#cluster.fail(
          new Violation(`${owner.name} refuses ${session}/${serial} with ${error.code}, and it was applied`),
        )
      }
      const answer = outcome?.slice()
      world.schedule(this.#random.uniform(0.05, 1), () =>
        this.#guard(() => this.#onAnswer(owner, request, { bytes: answer, error, sending })),
      )
    })
  }

  #guard(task: () => void): void {
    try {
      task()
    } catch (error) {
      this.#cluster.fail(error as Error)
    }
  }

  #acknowledgedThroughOf({ session }: OpenRequest): number {
    return session === this.#session ? this.#acknowledgedThrough : 0
  }

  #onAnswer(owner: ClusterNode, request: OpenRequest, answer: Answer): void {
    const { bytes, sending } = answer
    const { copy } = sending
    if (bytes === undefined) return this.#onError(owner, request, answer)
    const outcome = decodeOutcome(bytes)
    const { session, serial } = request
    const id = `${session}/${serial}`
    const isLost = outcome.status === 'refused' && outcome.code === 'session_ended'
    const isForgotten = outcome.status === 'refused' && outcome.code === 'serial_out_of_window'
    const applied = this.#oracle.outcomeAt(outcome.seq)
    require(applied !== undefined && equalBytes(firstOutcome(applied), firstOutcome(bytes)), () =>
      `${owner.name} answers ${id} with ${show(outcome)}, but entry ${outcome.seq} answered otherwise`)
    if (isForgotten) {
      require(request.isEnded, () => `${id} is forgotten, and its client still waits`)
      return
    }
    if (isLost) {
      if (!request.isEnded) this.#onSessionEnded(request, copy)
      return
    }
    this.#checkAnswer(request, outcome, bytes)
    if (request.isEnded) return
    request.answer = bytes
    this.#history.told(this.#cluster.world.nowMs, outcome.seq)
    this.#end(request, { type: 'outcome', outcome, bytes })
  }

  /** Applied once, answered alike, and after everything that was acknowledged before the call. */
  #checkAnswer(request: OpenRequest, outcome: Outcome, bytes: Uint8Array): void {
    const { session, serial } = request
    const id = `${session}/${serial}`
    const recorded = this.#oracle.reference.answerOf(session, serial)
    require(recorded !== undefined && recorded.outcome.status === outcome.status, () =>
      `${id} is answered with ${show(outcome)}, the session recorded ${JSON.stringify(recorded?.outcome.status)}`)
    const first = request.answer
    require(first === undefined || equalBytes(firstOutcome(first), firstOutcome(bytes)), () =>
      `${id} is answered with ${show(outcome)}, before with ${show(decodeOutcome(first!))}`)
    require(request.hasIdempotencyKey || outcome.seq > request.floor, () =>
      `${id} was applied at ${outcome.seq}, though ${request.floor} was acknowledged before its call`)
  }

  #onError(owner: ClusterNode, request: OpenRequest, { error, sending }: Answer): void {
    const { copy } = sending
    checkCode(this.#cluster, owner, error)
    if (error?.code === 'busy') this.busy++
    if (request.isEnded || error === undefined) return
    const { session, serial } = request
    if (error.applied === 'no' && !error.retryable && copy === 0 && request.copy === 1) {
      this.#checkRefusal(owner, request, error)
      this.#denied.push({ session, serial, code: error.code })
      this.checkDenied()
      this.#end(request, { type: 'refused', error })
      return
    }
    require(error.applied !== 'no' ||
      copy === 0 ||
      this.#oracle.reference.answerOf(session, serial) === undefined, () =>
      `${owner.name} says that ${session}/${serial} was not applied (${error.code}), but it was`)
    if (error.code === 'session_ended') return this.#onSessionEnded(request, copy)
    // Its time is over: who keeps order would ask again behind later ones.
    if (error.code === 'timeout' && this.#line !== undefined) return this.#giveUp(request)
    if (error.code === 'busy') sending.again()
    else sending.fail()
  }

  /** Of what a client was told that it is not applied, nothing may be. */
  checkDenied(): void {
    for (const { session, serial, code } of this.#denied) {
      require(this.#oracle.reference.answerOf(session, serial) === undefined, () =>
        `${session}/${serial} was refused with ${code} as not applied, and it is`)
    }
  }

  /** What the state refuses must have been wrong in some state between the call and now. */
  #checkRefusal(owner: ClusterNode, request: OpenRequest, { code }: QuorateError): void {
    const { scopes, floor, session, serial, envelope } = request
    const { reference, lastSeq } = this.#oracle
    if (code === 'permission_denied') {
      require(reference.wasDenied(this.caller, decodeEnvelope(envelope), floor, lastSeq), () =>
        `${owner.name} denies ${session}/${serial} to ${this.caller}, who might do all of it from ${floor} to ${lastSeq}`)
    }
    if (code !== 'scope_not_found') return
    require(scopes.some(name => reference.keys.wasMissing(name, floor, lastSeq)), () =>
      `${owner.name} refuses ${session}/${serial} with ${code}, and all its scopes were there from ${floor} to ${lastSeq}`)
  }

  #onSessionEnded(request: OpenRequest, copy: number): void {
    this.#cluster.trace.note(`${this.name} lost session ${request.session}`)
    if (request.session === this.#session) this.connect()
    // Only a first sending that was refused is known not to have been applied.
    this.#end(request, copy === 0 && request.copy === 1 ? { type: 'refused', error: ENDED } : { type: 'unknown' })
  }

  #giveUp(request: OpenRequest): void {
    this.#cluster.trace.note(`${this.name} gives up on ${request.session}/${request.serial}`)
    this.#oracle.order.excuse(request.session, request.serial)
    this.#end(request, { type: 'unknown' })
  }

  #end(request: OpenRequest, ending: Ending): void {
    request.isEnded = true
    this.#open.delete(request)
    if (request.session === this.#session && ending.type !== 'unknown') {
      this.#answered.add(request.serial)
      while (this.#answered.delete(this.#acknowledgedThrough + 1)) this.#acknowledgedThrough++
    }
    request.onEnd(ending)
  }
}

/** What a state refuses with. */
const STATE_CODES: ReadonlySet<string> = new Set(['scope_not_found', 'project_not_found', 'permission_denied'])
const ENDED = new QuorateError('session_ended', 'the session has ended')

function show(outcome: Outcome): string {
  return JSON.stringify(outcome, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

/** A node's refusal must be one of the service, never a bug's. */
export function checkCode(cluster: SimulatedCluster, owner: ClusterNode, error: unknown): void {
  const isFine = error instanceof QuorateError && error.code !== 'internal'
  if (isFine || cluster.mayBeDamaged(owner)) return
  cluster.fail(new Violation(`${owner.name} fails with ${error instanceof Error ? error.stack : String(error)}`))
}
