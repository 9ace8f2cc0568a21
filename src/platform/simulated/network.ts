import type { Dialer, DialOptions, FrameLink, FrameListener } from '../index.ts'
import { LinkEnd } from './link.ts'
import type { LinkSurroundings, NetworkOwner } from './link.ts'
import { DEFAULT_NETWORK_PROFILE, NetworkPaths } from './network-paths.ts'
import type { NetworkProfile } from './network-paths.ts'
import type { SeededRandom } from './random.ts'
import type { SimulatedWorld } from './world.ts'

/** What an accepting side is told of a new link. */
export interface LinkRequest {
  readonly url: string
  readonly subprotocol: string
  readonly headers: Readonly<Record<string, string>>
}

export type AcceptLink = (link: FrameLink, request: LinkRequest) => void

export interface ListenOptions {
  /** 0 chooses a free one. */
  port: number
  /** Frames above this size break the link; unbounded if not given. */
  maxFrameBytes?: number
}

interface Listener {
  owner: NetworkOwner
  accept: AcceptLink
  maxFrameBytes: number
}

/** A network of hosts on virtual time. Hosts are named as their machines; all on one host share its paths. */
export class SimulatedNetwork {
  readonly paths: NetworkPaths = new NetworkPaths()
  readonly #world: SimulatedWorld
  readonly #random: SeededRandom
  readonly #listeners = new Map<string, Listener>()
  readonly #ends = new Set<LinkEnd>()
  readonly #owners = new WeakSet<NetworkOwner>()
  readonly #surroundings: LinkSurroundings
  readonly #profile: NetworkProfile
  #linkCount = 0
  #nextPort = 40_000

  constructor(world: SimulatedWorld, profile: Partial<NetworkProfile> = {}) {
    this.#world = world
    this.#random = world.random.split('network')
    this.#profile = { ...DEFAULT_NETWORK_PROFILE, ...profile }
    this.#surroundings = {
      world,
      paths: this.paths,
      profile: this.#profile,
      forget: end => this.#ends.delete(end),
    }
  }

  /** Changes how the network behaves from now on. */
  setProfile(change: Partial<NetworkProfile>): void {
    Object.assign(this.#profile, change)
  }

  /** Accepts links on a port of the owner's host, until closed or until the owner dies. */
  listen(owner: NetworkOwner, options: ListenOptions, accept: AcceptLink): FrameListener {
    const port = options.port === 0 ? this.#nextPort++ : options.port
    const address = `${owner.name}:${port}`
    if (this.#listeners.has(address)) throw new Error(`address in use: ${address}`)
    const listener = { owner, accept, maxFrameBytes: options.maxFrameBytes ?? Number.POSITIVE_INFINITY }
    this.#listeners.set(address, listener)
    this.#watch(owner)
    return {
      host: owner.name,
      port,
      close: () => {
        if (this.#listeners.get(address) === listener) this.#listeners.delete(address)
        return Promise.resolve()
      },
    }
  }

  /** Dials from the owner's host. */
  dialer(owner: NetworkOwner): Dialer {
    this.#watch(owner)
    return { dial: (url, options) => this.#dial(owner, url, options) }
  }

  /** Cuts one direction. */
  block(from: string, to: string): void {
    this.paths.block(from, to)
  }

  /** Frees one direction; what was held there goes on. */
  unblock(from: string, to: string): void {
    this.paths.unblock(from, to)
    this.#releaseHeld()
  }

  /** Cuts all ways between hosts of different groups; a host in several groups is a bridge between them. */
  partition(groups: readonly (readonly string[])[]): void {
    const hosts = new Set(groups.flat())
    for (const from of hosts) {
      for (const to of hosts) {
        if (!groups.some(group => group.includes(from) && group.includes(to))) this.paths.block(from, to)
      }
    }
  }

  /** Frees all ways. */
  heal(): void {
    this.paths.unblockAll()
    this.#releaseHeld()
  }

  /** Delays all that one host sends to the other until this many virtual milliseconds from now. */
  clog(from: string, to: string, durationMs: number): void {
    this.paths.clog(from, to, this.#world.nowMs + durationMs)
  }

  /** Breaks the links between two hosts, or all of one. */
  breakLinks(host: string, other?: string): void {
    for (const end of this.#ends) {
      if (end.owner.name === host && (other === undefined || end.peer.owner.name === other)) end.break('reset')
    }
  }

  /** How many ends of links are open. */
  get openEndCount(): number {
    return this.#ends.size
  }

  #releaseHeld(): void {
    for (const end of this.#ends) if (!this.paths.isBlocked(end.owner.name, end.peer.owner.name)) end.releaseHeld()
  }

  #dial(owner: NetworkOwner, url: string, options: DialOptions): Promise<FrameLink> {
    const address = new URL(url)
    const host = address.hostname
    const random = this.#random.split(`link ${this.#linkCount++}`)
    const delayMs = (from: string, to: string): number =>
      this.paths.delayMs(from, to, this.#world.nowMs, this.#profile, 1, random)
    return new Promise((resolve, reject) => {
      let isOver = false
      const fail = (message: string): void => {
        if (!isOver) reject(new Error(`cannot open ${url}: ${message}`))
        isOver = true
      }
      if (options.signal?.aborted === true) {
        fail('aborted')
        return
      }
      options.signal?.addEventListener('abort', () => fail('aborted'), { once: true })
      this.#world.schedule(options.timeoutMs, () => fail(`not within ${options.timeoutMs} ms`), owner)
      this.#world.schedule(delayMs(owner.name, host), () => {
        if (owner.state === 'dead' || this.paths.isBlocked(owner.name, host)) return // the time-out tells
        const end = this.#accept(owner, `${host}:${address.port}`, url, options, random)
        const answerMs = delayMs(host, owner.name)
        end?.peer.arriveNotBefore(this.#world.nowMs + answerMs)
        this.#world.schedule(
          answerMs,
          () => {
            if (this.paths.isBlocked(host, owner.name)) end?.peer.break('timed out')
            else if (end === undefined) fail('connection refused')
            else if (isOver) end.break('timed out')
            else if (end.isClosed) fail('connection reset')
            else {
              isOver = true
              resolve(end)
            }
          },
          owner,
        )
      })
    })
  }

  /** Makes the pair of ends and hands one to the listener; undefined if nobody listens. */
  #accept(
    dialing: NetworkOwner,
    address: string,
    url: string,
    options: DialOptions,
    random: SeededRandom,
  ): LinkEnd | undefined {
    const listener = this.#listeners.get(address)
    if (listener === undefined || listener.owner.state === 'dead') return undefined
    const ownAddress = `${dialing.name}:${this.#nextPort++}`
    const near = new LinkEnd(dialing, address, this.#surroundings, random.split('near'), options.maxFrameBytes)
    const far = new LinkEnd(listener.owner, ownAddress, this.#surroundings, random.split('far'), listener.maxFrameBytes)
    near.peer = far
    far.peer = near
    this.#ends.add(near).add(far)
    const request: LinkRequest = { url, subprotocol: options.subprotocol, headers: options.headers ?? {} }
    this.#world.schedule(0, () => listener.accept(far, request), listener.owner)
    return near
  }

  #watch(owner: NetworkOwner): void {
    if (this.#owners.has(owner)) return
    this.#owners.add(owner)
    owner.onDeath(kind => {
      for (const [address, listener] of this.#listeners) if (listener.owner === owner) this.#listeners.delete(address)
      for (const end of this.#ends) if (end.owner === owner) end.ownerDied(kind)
    })
  }
}
