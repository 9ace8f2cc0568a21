import type {
  SeededRandom,
  SimulatedMachine,
  SimulatedNetwork,
  SimulatedWorld,
} from '../../platform/simulated/index.ts'
import type { PromiseOracle } from './promise-oracle.ts'
import type { Trace } from './trace.ts'

/** The node, and what it lives in. */
interface Owner {
  readonly name: string
  readonly machine: SimulatedMachine
  crash(kind: 'power' | 'process'): void
}

interface Surroundings {
  readonly world: SimulatedWorld
  readonly network: SimulatedNetwork
  readonly nodes: readonly Owner[]
  readonly trace: Trace
  readonly promises: PromiseOracle
  readonly isHealing: boolean
}

const SECTOR_BYTES = 512

/**
 * The disk of one node answers that a write of the log is done and synced, and it has landed nowhere, or elsewhere in its segment: what the
 * node must find when it reads the log again (W2), or what does no harm. Nothing shows it before the power has gone. A write that is lost
 * in the last unmarked window cannot be told from a tear by one node (DESIGN 6): where no mark is behind it when the power goes, the disk
 * thinks better of it.
 */
export class LyingLog {
  readonly #cluster: Surroundings
  readonly #owner: Owner
  readonly #random: SeededRandom
  #isComing = false
  #hit: { readonly path: string; readonly atMs: number } | undefined
  /** Writes that went wrong, and those of them that a loss of power has shown. */
  readonly counts: { hit: number; shown: number } = { hit: 0, shown: 0 }

  constructor(cluster: Surroundings, owner: Owner, random: SeededRandom) {
    this.#cluster = cluster
    this.#owner = owner
    this.#random = random
  }

  /** One of the next writes of the log goes wrong. */
  begin(): void {
    if (this.#isComing || this.#hit !== undefined) return
    this.#isComing = true
    const random = this.#random
    this.#owner.machine.disk.inject({
      operation: 'write',
      path: path => path.includes('/log/segment-'),
      skip: random.below(10),
      effect: random.chance(0.6)
        ? { type: 'lose' }
        : { type: 'misdirect', position: SECTOR_BYTES * random.between(0, 60) },
      onHit: path => this.#onHit(path),
    })
  }

  #onHit(path: string): void {
    const { world, trace } = this.#cluster
    this.#isComing = false
    this.#hit = { path, atMs: world.nowMs }
    this.counts.hit++
    trace.note(`${this.#owner.name} loses a write of ${path}`)
    if (this.#random.chance(0.7)) world.schedule(this.#random.uniform(0, 300), () => this.#leaveAlone())
  }

  /** Nobody gives it anything to write, so that the end of its log is marked; then its power goes. */
  #leaveAlone(): void {
    const { world, network, nodes } = this.#cluster
    const owner = this.#owner
    if (this.#cluster.isHealing || this.#hit === undefined) return
    network.partition([[owner.name], nodes.filter(node => node !== owner).map(({ name }) => name)])
    world.schedule(this.#random.uniform(400, 900), () => {
      if (this.#cluster.isHealing) return
      network.heal()
      if (this.#hit !== undefined) owner.crash('power')
    })
  }

  /** The node has died; what is not on the medium is about to be lost if the power is gone. */
  onDeath(kind: 'power' | 'process', wasOpen: boolean): void {
    const hit = this.#hit
    if (kind === 'process' || hit === undefined) return
    this.#hit = undefined
    const { promises, world, trace } = this.#cluster
    const { name, machine } = this.#owner
    const idleSinceMs = wasOpen ? promises.idleSince(name, world.nowMs) : undefined
    // What was written last may be the mark itself.
    const isProved = idleSinceMs !== undefined && hit.atMs <= idleSinceMs
    trace.note(`${name} ${isProved ? 'has lost' : 'has not lost'} the write`)
    if (isProved) this.counts.shown++
    else machine.disk.repent(hit.path)
  }
}
