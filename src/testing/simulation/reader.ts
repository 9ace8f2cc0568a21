import { bytesToHex, equalBytes } from '../../encoding/index.ts'
import { formatToken, QuorateError, ROOT_CALLER } from '../../model/index.ts'
import type {
  Consistency,
  KvEntry,
  QueryData,
  QueryResult,
  ReadRequest,
  ReadResult,
  StateView,
} from '../../model/index.ts'
import type { SeededRandom } from '../../platform/simulated/index.ts'
import { checkCode } from './client.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'
import type { EntryOracle } from './entry-oracle.ts'
import type { History } from './history.ts'
import { callerOf, keyOf, PROJECT, SCOPE } from './names.ts'
import { drawQuery, findQueryFault, tablesOf } from './query-reads.ts'
import type { Version } from './reference-keys.ts'
import { require, Violation } from './trace.ts'
import { hasTables } from './write-mix.ts'

/** Slack for clocks that run at different speeds, and for the way to a node. */
const STALE_SLACK = 1.15
const STALE_SLACK_MS = 5
const DEADLINE_MS = 1500
/** A read that nobody answers, because the node died, is forgotten after this long. */
const FORGET_MS = 5000

/** How a read was asked, and what it may therefore see. */
interface Asked {
  readonly consistency: Consistency
  readonly label: string
  /** At least this seq. */
  readonly minSeq: number
  /** Exactly this seq. */
  readonly atSeq: number | undefined
  readonly calledAt: number
}

/** What a query saw, and as whom. */
interface AskedQuery {
  readonly seq: number
  readonly timeMicros: number
  readonly caller: string
  /** Of the newest permissions and policies. */
  readonly permissionSeq: number
  /** Name of the node. */
  readonly at: string
}

/** Reads on every node at every consistency, and compares with what the reference had at the view's seq. */
export class SimulatedReader {
  readonly #cluster: SimulatedCluster
  readonly #oracle: EntryOracle
  readonly #history: History
  readonly #random: SeededRandom
  /** As whom it reads. */
  readonly #calling: SeededRandom
  readonly #querying: SeededRandom
  readonly #counts: Record<string, number>
  readonly #lastSeen = new Map<string, number>()
  openCount = 0

  constructor(cluster: SimulatedCluster, oracle: EntryOracle, history: History, counts: Record<string, number>) {
    this.#cluster = cluster
    this.#oracle = oracle
    this.#history = history
    this.#random = cluster.world.random.split('reader')
    this.#calling = this.#random.split('callers')
    this.#querying = this.#random.split('queries')
    this.#counts = counts
  }

  /** The version of a key that some read saw last; 0 = none. */
  lastSeen(key: Uint8Array): number {
    return this.#lastSeen.get(bytesToHex(key)) ?? 0
  }

  read(): void {
    this.readAt(this.#random.pick(this.#cluster.nodes), this.#draw())
  }

  /** Reads with this consistency at this node, for scenarios too. */
  readLinearizable(owner: ClusterNode, consistency: 'linearizable' | 'lease'): void {
    this.readAt(owner, this.#ask(consistency, consistency, this.#history.floor))
  }

  readAt(owner: ClusterNode, asked: Asked): void {
    const { world } = this.#cluster
    const { host } = owner
    if (owner.node === undefined || host === undefined) return
    this.openCount++
    let isOver = false
    const over = (): void => {
      if (isOver) return
      isOver = true
      this.openCount--
    }
    world.schedule(FORGET_MS, over)
    world.schedule(
      this.#random.uniform(0.05, 1),
      () => {
        const deadlineMs = host.clock.monotonicMs() + DEADLINE_MS
        owner.node?.service.whenReadable(asked.consistency, deadlineMs, (view, error) => {
          if (host.state === 'dead') return
          if (view === undefined) {
            over()
            checkCode(this.#cluster, owner, error)
            return
          }
          if (owner.isWiped) this.#cluster.fail(new Violation(`${owner.name} has lost its directory and reads`))
          if (owner.inspect()?.isFenced === true) this.#cluster.fail(new Violation(`${owner.name} is fenced and reads`))
          this.#onView(owner, asked, view, over)
        })
      },
      host,
    )
  }

  #ask(consistency: Consistency, label: string, minSeq: number, atSeq?: number): Asked {
    return { consistency, label, minSeq, atSeq, calledAt: this.#cluster.world.nowMs }
  }

  #draw(): Asked {
    const random = this.#random
    const { floor } = this.#history
    const historyId = this.#cluster.leader()?.node?.service.historyId
    const kind = random.below(100)
    if (kind < 50 || historyId === undefined) return this.#ask('linearizable', 'linearizable', floor)
    if (kind < 60) return this.#ask('lease', 'lease', floor)
    if (kind < 70) return this.#ask({ minSeq: formatToken(historyId, floor) }, 'minSeq', floor)
    if (kind < 82) {
      const seq = Math.max(1, floor - random.pick([0, 0, 3, 40, 400]))
      return this.#ask({ atSeq: formatToken(historyId, seq) }, 'atSeq', seq, seq)
    }
    if (kind < 90) {
      const maxStaleMs = random.pick([20, 200, 1000])
      const knownAt = this.#cluster.world.nowMs - maxStaleMs * STALE_SLACK - STALE_SLACK_MS
      return this.#ask({ maxStaleMs }, 'maxStale', this.#history.floorAt(knownAt))
    }
    return random.chance(0.5) ? this.#ask('local', 'local', 0) : this.#ask('checkpoint', 'checkpoint', 0)
  }

  #onView(owner: ClusterNode, asked: Asked, view: StateView, over: () => void): void {
    const request = this.#drawRequest()
    const caller = this.#drawCaller()
    const { seq } = view
    // Data is of the view's seq, permissions and policies are the newest that the node has as it is asked.
    const permissionSeq = owner.inspect()?.digest.seq ?? seq
    const mayRead = this.#mayRead(caller, request, permissionSeq)
    new Promise<ReadResult>(resolve => {
      resolve(view.read(request, caller))
    }).then(
      result => {
        view.release()
        over()
        if (owner.host?.state === 'dead') return
        if (!mayRead()) this.#cluster.fail(new Violation(`${owner.name} reads for ${caller}, who may not`))
        const judgeQuery = (query: QueryData, answer: QueryResult): void => {
          this.#judgeQuery(query, answer, {
            seq,
            timeMicros: view.leaderTimeMicros,
            caller,
            permissionSeq,
            at: owner.name,
          })
        }
        this.#judge(owner, asked, request, seq, view.leaderTimeMicros, result, judgeQuery)
      },
      (error: unknown) => {
        view.release()
        over()
        if (isMissingName(error) && asked.minSeq === 0) return
        const isDenied = error instanceof QuorateError && error.code === 'permission_denied'
        if (isDenied && mayRead())
          this.#cluster.fail(new Violation(`${owner.name} does not read for ${caller}, who may`))
        if (isDenied) this.#counts['denied'] = (this.#counts['denied'] ?? 0) + 1
        checkCode(this.#cluster, owner, error)
      },
    )
  }

  #drawCaller(): string {
    const { callers } = this.#cluster.profile.workload
    if (callers === 0 || this.#calling.chance(0.6)) return ROOT_CALLER
    return callerOf(this.#calling.between(1, callers))
  }

  /** Whether the caller may read all of it as of `seq`: to be asked when the oracle knows of that entry. */
  #mayRead(caller: string, request: ReadRequest, seq: number): () => boolean {
    const { permissions } = this.#oracle.reference
    if (request.type === 'scan') return () => permissions.mayReadRange(caller, request, seq)
    if (request.type === 'query') {
      const tables = tablesOf(request.query)
      return () => tables.every(table => permissions.mayReadRows(caller, table, seq))
    }
    if (request.type !== 'get') throw new Error('another kind of read')
    const { project, scope, keys } = request
    return () => keys.every(key => permissions.mayRead(caller, { project, scope, key }, seq))
  }

  #drawRequest(): ReadRequest {
    const random = this.#random
    const { keys, mix } = this.#cluster.profile.workload
    if (hasTables(mix) && this.#querying.chance(0.4)) return { type: 'query', query: drawQuery(this.#querying) }
    if (random.chance(0.7)) {
      const key = random.pick([keyOf(`r${random.below(keys)}`), keyOf('r0'), keyOf(`c${random.below(3)}`)])
      return { type: 'get', project: PROJECT, scope: SCOPE, keys: [key, keyOf(`t${random.below(8)}`)] }
    }
    const prefix = random.pick(['m', 'r', 't'])
    const end = keyOf(String.fromCodePoint(prefix.codePointAt(0)! + 1))
    return { type: 'scan', project: PROJECT, scope: SCOPE, start: keyOf(prefix), end, limit: random.pick([3, 50]) }
  }

  #judge(
    owner: ClusterNode,
    asked: Asked,
    request: ReadRequest,
    seq: number,
    leaderTimeMicros: number,
    result: ReadResult,
    judgeQuery: (query: QueryData, answer: QueryResult) => void,
  ): void {
    try {
      this.#judgeSeq(owner, asked, seq, leaderTimeMicros)
      if (request.type === 'query' && result.type === 'query') judgeQuery(request.query, result.result)
      else this.#judgeResult(owner, asked, request, seq, leaderTimeMicros, result)
    } catch (error) {
      this.#cluster.fail(error as Error)
    }
  }

  #judgeSeq(owner: ClusterNode, { label, minSeq, atSeq }: Asked, seq: number, leaderTimeMicros: number): void {
    this.#counts['reads']!++
    this.#counts[label] = (this.#counts[label] ?? 0) + 1
    require(seq >= minSeq, () => `stale read (${label}) at ${owner.name}: seq ${seq}, must see ${minSeq}`)
    require(atSeq === undefined || seq === atSeq, () => `a read at ${atSeq} on ${owner.name} saw ${seq}`)
    const time = this.#oracle.reference.timeAt(seq)
    require(time === leaderTimeMicros || label === 'checkpoint', () =>
      `a view of ${seq} on ${owner.name} has time ${leaderTimeMicros}, the entry ${time}`)
  }

  #judgeResult(
    owner: ClusterNode,
    { label, calledAt }: Asked,
    request: ReadRequest,
    seq: number,
    timeMicros: number,
    result: ReadResult,
  ): void {
    const { keys } = this.#oracle.reference
    const returnedAt = this.#cluster.world.nowMs
    const isStrict = label === 'linearizable' || label === 'lease'
    if (isStrict) this.#history.told(returnedAt, seq)
    if (result.type === 'get' && request.type === 'get') {
      for (const [index, key] of request.keys.entries()) {
        const found = result.entries[index]
        const expected = keys.readAt({ project: PROJECT, scope: SCOPE, key }, seq, timeMicros)
        require(isSame(found, expected), () =>
          `${owner.name} at ${seq} (${label}) has ${show(found)} for ${text(key)}, not ${show(expected)}`)
        this.#lastSeen.set(bytesToHex(key), found?.seq ?? 0)
        if (isStrict && index === 0) this.#record(key, found, calledAt, returnedAt)
      }
      return
    }
    if (result.type !== 'scan' || request.type !== 'scan') throw new Error('another kind of result')
    const expected = keys.scan(request, seq, timeMicros)
    const count = result.more ? result.entries.length : expected.length
    for (let index = 0; index < Math.max(count, result.entries.length); index++) {
      const found = result.entries[index]
      const wanted = expected[index]
      require(isSame(found, wanted) && (found === undefined || equalBytes(found.key, wanted!.key)), () =>
        `a scan on ${owner.name} at ${seq} (${label}) has ${show(found)} as number ${index}, not ${show(wanted)}`)
    }
  }

  /** Every row that the caller sees in that state, and no other. */
  #judgeQuery(query: QueryData, answer: QueryResult, asked: AskedQuery): void {
    const { seq, timeMicros, caller, permissionSeq, at } = asked
    const { reference } = this.#oracle
    const tables = reference.tablesAt(seq)
    const newest = reference.tablesAt(permissionSeq)
    if (tables === undefined || newest === undefined) return
    this.#counts['queries'] = (this.#counts['queries'] ?? 0) + 1
    const fault = findQueryFault(query, answer, {
      tables,
      isSeen: ({ name }, { cells, expiresAtMicros }) => {
        if (expiresAtMicros !== 0 && expiresAtMicros <= timeMicros) return false
        return reference.permissions.seesRow(
          caller,
          newest.find(table => table.name === name)!,
          cells,
          permissionSeq,
        )
      },
    })
    require(fault === undefined, () => `${at} answers ${caller} at ${seq} ${JSON.stringify(query)}: ${fault}`)
  }

  #record(key: Uint8Array, found: KvEntry | undefined, calledAt: number, returnedAt: number): void {
    const name = text(key)
    if (name.startsWith('r')) {
      const value = found === undefined ? undefined : text(found.value)
      const output = { type: 'value', value, seq: found?.seq ?? 0 } as const
      this.#history.registers.push({ key: name, input: { type: 'read' }, output, calledAt, returnedAt })
    } else if (name.startsWith('c')) {
      const output = found === undefined ? 0n : BigInt(`0x${bytesToHex(found.value)}`)
      this.#history.counters.push({ key: name, input: { type: 'read' }, output, calledAt, returnedAt })
    }
  }
}

function isSame(found: KvEntry | undefined, expected: Version | undefined): boolean {
  if (found === undefined || expected === undefined) return found === expected
  return (
    found.seq === expected.seq &&
    found.createdSeq === expected.createdSeq &&
    (found.expiresAtMicros ?? 0) === expected.expiresAtMicros &&
    equalBytes(found.value, expected.value)
  )
}

const MISSING: ReadonlySet<string> = new Set(['project_not_found', 'scope_not_found', 'table_not_found'])

function isMissingName(error: unknown): boolean {
  return error instanceof QuorateError && MISSING.has(error.code)
}

const decoder = new TextDecoder()
const text = (bytes: Uint8Array): string => decoder.decode(bytes)

function show(version: KvEntry | Version | undefined): string {
  return version === undefined
    ? 'nothing'
    : `${text(version.value).slice(0, 12)}@${version.seq} made at ${version.createdSeq} until ${version.expiresAtMicros ?? 0}`
}
