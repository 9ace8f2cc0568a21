import { bytesToHex, equalBytes } from '../../encoding/index.ts'
import { QuorateError, ROOT_CALLER } from '../../model/index.ts'
import type { Change, ReadResult, StateView, WatchSink } from '../../model/index.ts'
import type { SeededRandom } from '../../platform/simulated/index.ts'
import { checkCode } from './client.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'
import type { EntryOracle } from './entry-oracle.ts'
import { callerOf, keyOf, PROJECT, SCOPE } from './names.ts'
import type { Effect } from './reference-keys.ts'
import { require, Violation } from './trace.ts'

type Told =
  | { readonly type: 'commit'; readonly seq: number; readonly changes: readonly Change[] }
  | { readonly type: 'progress'; readonly seq: number }
  | { readonly type: 'reset'; readonly seq: number; readonly result: ReadResult }

/**
 * Watches a prefix, now on one node, now on another, always going on where it stood. Whatever it is told must be what the group did
 * after that point: every commit, whole, in order, nothing twice and nothing left out.
 */
export class SimulatedWatcher {
  readonly #name: string
  readonly #cluster: SimulatedCluster
  readonly #oracle: EntryOracle
  readonly #random: SeededRandom
  readonly #prefix: Uint8Array
  /** As whom it watches. */
  readonly #caller: string
  /** What was told and not yet judged: the oracle learns of an entry only after its watchers. */
  #told: Told[] = []
  /** Everything up to here was told and judged. */
  #seq = 0
  /** Everything up to here was told. */
  #toldSeq: number | undefined
  #opening = 0
  #isOpen = false
  commits = 0
  resets = 0

  constructor(name: string, cluster: SimulatedCluster, oracle: EntryOracle) {
    this.#name = name
    this.#cluster = cluster
    this.#oracle = oracle
    this.#random = cluster.world.random.split(`watcher ${name}`)
    this.#prefix = keyOf(this.#random.pick(['', 'r', 'c', 'm']))
    const { callers } = cluster.profile.workload
    const calling = this.#random.split('caller')
    this.#caller = callers === 0 || calling.chance(0.4) ? ROOT_CALLER : callerOf(calling.between(1, callers))
  }

  begin(): void {
    const next = (): void => {
      this.#cluster.world.schedule(this.#random.uniform(20, 300), () => {
        if (!this.#isOpen || this.#random.chance(0.03)) this.#open()
        this.judge()
        next()
      })
    }
    next()
  }

  #open(): void {
    const owner = this.#random.pick(this.#cluster.nodes)
    const { node, host } = owner
    if (node === undefined || host === undefined) return
    const opening = ++this.#opening
    // From a point, not from now: only then it is known what must come.
    const from = this.#toldSeq ?? 0
    this.#isOpen = true
    host.onDeath(() => {
      if (this.#opening === opening) this.#isOpen = false
    })
    const isCurrent = (): boolean => this.#opening === opening && host.state === 'running'
    const selector = { caller: this.#caller, project: PROJECT, scope: SCOPE, prefix: this.#prefix }
    try {
      const handle: { close?(): void; resume?(): void } = {}
      const sink = this.#sink(owner, isCurrent, handle)
      Object.assign(handle, bindWatch(node.service.watch(selector, from, sink)))
      this.#cluster.trace.note(`${this.#name} watches ${owner.name} from ${from}`)
      this.#resumeNowAndThen(handle, isCurrent)
    } catch (error) {
      this.#isOpen = false
      this.#onDenied(owner, error, node.inspect().digest.seq)
      checkCode(this.#cluster, owner, error)
    }
  }

  /** A watch that was refused, or has ended, at a node that had applied up to `seq`, for want of the permission. */
  #onDenied(owner: ClusterNode, error: unknown, seq: number): void {
    if (!(error instanceof QuorateError) || error.code !== 'permission_denied') return
    // The oracle hears of the newest entry after the watchers.
    this.#cluster.world.schedule(0, () => {
      if (this.#isAlways(seq, true)) {
        this.#cluster.fail(
          new Violation(`${owner.name} ends the watch of ${this.#caller}, who may read it since ${seq}`),
        )
      }
    })
  }

  /** Whether the caller might read what it watches, or might not, after every entry from `seq` to the newest. */
  #isAlways(seq: number, isAllowed: boolean): boolean {
    const { permissions } = this.#oracle.reference
    const watched = { project: PROJECT, scope: SCOPE, key: this.#prefix }
    for (let at = seq; at <= this.#oracle.lastSeq; at++) {
      if (permissions.mayRead(this.#caller, watched, at) !== isAllowed) return false
    }
    return true
  }

  #sink(owner: ClusterNode, isCurrent: () => boolean, handle: { close?(): void }): WatchSink {
    const take = (told: Told): void => {
      if (!isCurrent()) {
        handle.close?.()
        return
      }
      this.#told.push(told)
      this.#toldSeq = told.seq
    }
    const random = this.#random
    return {
      commit: (seq, changes) => take({ type: 'commit', seq, changes: changes.map(change => ({ ...change })) }),
      rows: seq => {
        throw new Error(`a watch of keys was told of rows at seq ${seq}`)
      },
      progress: seq => take({ type: 'progress', seq }),
      reset: view => this.#onReset(owner, view, take),
      failed: error => this.#onFailed(owner, isCurrent, error),
      get queuedBytes(): number {
        return random.chance(0.02) ? 1 << 24 : 0
      },
    }
  }

  #onReset(owner: ClusterNode, view: StateView, take: (told: Told) => void): void {
    this.resets++
    const { seq } = view
    const request = { type: 'scan', project: PROJECT, scope: SCOPE, limit: 100 } as const
    // The point first: what comes while the state is read is counted from there.
    const told = { type: 'reset', seq, result: undefined as unknown as ReadResult }
    take(told as Told)
    new Promise<ReadResult>(resolve => {
      resolve(view.read(request, ROOT_CALLER)) // what is judged is the watch
    }).then(
      result => {
        told.result = result
        view.release()
      },
      (error: unknown) => {
        view.release()
        checkCode(this.#cluster, owner, error)
      },
    )
  }

  #onFailed(owner: ClusterNode, isCurrent: () => boolean, error: QuorateError): void {
    if (!isCurrent()) return
    this.#isOpen = false
    this.#onDenied(owner, error, this.#toldSeq ?? 0)
    checkCode(this.#cluster, owner, error)
  }

  /** A slow reader asks for more when it has read. */
  #resumeNowAndThen(handle: { resume?(): void }, isCurrent: () => boolean): void {
    this.#cluster.world.schedule(50, () => {
      if (!isCurrent()) return
      handle.resume?.()
      this.#resumeNowAndThen(handle, isCurrent)
    })
  }

  judge(): void {
    try {
      const told = this.#told
      this.#told = []
      for (const each of told) this.#judge(each)
    } catch (error) {
      this.#cluster.fail(error as Error)
    }
  }

  #judge(told: Told): void {
    const { reference } = this.#oracle
    const next = reference.nextEffects({ project: PROJECT, scope: SCOPE, key: this.#prefix }, this.#seq)
    switch (told.type) {
      case 'commit':
        this.commits++
        require(next !== undefined && next.seq === told.seq, () =>
          `${this.#name} at ${this.#seq} was told of ${told.seq}, the next change is ${next?.seq}`)
        require(!this.#isAlways(told.seq, false), () =>
          `${this.#name} is told of ${told.seq}, and ${this.#caller} might not read it then or since`)
        require(isSame(next.effects, told.changes), () =>
          `${this.#name}: the changes of ${told.seq} are ${show(told.changes)}, not ${show(next.effects)}`)
        this.#seq = told.seq
        return
      case 'progress':
        require(next === undefined || next.seq > told.seq, () =>
          `${this.#name} at ${this.#seq} is told of progress to ${told.seq}, but ${next?.seq} is missing`)
        this.#seq = Math.max(this.#seq, told.seq)
        return
      case 'reset':
        require(told.seq >= this.#seq, () => `${this.#name} at ${this.#seq} is reset to ${told.seq}`)
        this.#seq = told.seq
        return
      default:
        throw new RangeError(`watchers are not told ${String(told satisfies never)}`)
    }
  }
}

function bindWatch(watch: { close(): void; resume(): void }): { close(): void; resume(): void } {
  return { close: () => watch.close(), resume: () => watch.resume() }
}

function isSame(effects: readonly Effect[], changes: readonly Change[]): boolean {
  if (effects.length !== changes.length) return false
  return effects.every(({ key, kind, value }, index) => {
    const change = changes[index]!
    if (!equalBytes(change.key, key) || change.kind !== kind) return false
    return value === undefined || change.value === undefined ? value === change.value : equalBytes(value, change.value)
  })
}

function show(changes: readonly Effect[]): string {
  return changes.map(({ key, kind, value }) => `${kind} ${bytesToHex(key)} ${value?.length ?? ''}`).join(', ')
}
