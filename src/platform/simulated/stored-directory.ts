import type { SeededRandom } from './random.ts'
import { StoredFile } from './stored-file.ts'

export type StoredNode = StoredFile | StoredDirectory

/** A change of one directory that a crash may still undo. */
interface PendingChange {
  readonly name: string
  /** The node that the name leads to from now on; undefined if the name is gone. */
  readonly node: StoredNode | undefined
  /** The removed old name of a rename; both halves are one change of the same name space. */
  readonly removed?: string
  /** For a rename between directories: where the new name is. It becomes durable before the old one goes. */
  readonly after?: { readonly directory: StoredDirectory; readonly change: PendingChange }
}

/**
 * One directory: the names as the running system sees them, and as the medium has them. Changes become durable in their order,
 * all of them with `sync`, and up to an arbitrary one in a power loss.
 */
export class StoredDirectory {
  readonly #names = new Map<string, StoredNode>()
  readonly #durable = new Map<string, StoredNode>()
  #pending: PendingChange[] = []

  get(name: string): StoredNode | undefined {
    return this.#names.get(name)
  }

  get isEmpty(): boolean {
    return this.#names.size === 0
  }

  list(): string[] {
    return [...this.#names.keys()].sort()
  }

  nodes(): Iterable<StoredNode> {
    return this.#names.values()
  }

  put(name: string, node: StoredNode): void {
    this.#change({ name, node })
  }

  remove(name: string): void {
    this.#change({ name, node: undefined })
  }

  /** Moves `name` to `newName` in `target`, replacing what is there, as one change. */
  rename(name: string, target: StoredDirectory, newName: string): void {
    const node = this.#names.get(name)
    if (node === undefined) throw new Error(`no name ${name}`)
    if (target === this) {
      if (name !== newName) this.#change({ name: newName, node, removed: name })
      return
    }
    const change: PendingChange = { name: newName, node }
    target.#change(change)
    this.#change({ name, node: undefined, after: { directory: target, change } })
  }

  sync(): void {
    this.#persist(this.#pending.length)
  }

  /** Makes the first of the pending changes durable: how many, chance decides. Call it on all directories before `reload`. */
  losePower(random: SeededRandom): void {
    if (this.#pending.length === 0) return
    const count = random.pick([0, this.#pending.length, random.between(0, this.#pending.length)])
    this.#persist(count)
  }

  /** After `losePower` on all directories: the running names are the durable ones. */
  reload(): void {
    this.#pending = []
    this.#names.clear()
    for (const [name, node] of this.#durable) this.#names.set(name, node)
  }

  /** All that names may lead to again after a power loss. */
  durableNodes(): Iterable<StoredNode> {
    return this.#durable.values()
  }

  #change(change: PendingChange): void {
    apply(this.#names, change)
    this.#pending.push(change)
  }

  #persist(count: number): void {
    for (const change of this.#pending.splice(0, count)) {
      if (change.after !== undefined) change.after.directory.#persistThrough(change.after.change)
      apply(this.#durable, change)
    }
  }

  #persistThrough(change: PendingChange): void {
    const at = this.#pending.indexOf(change)
    if (at >= 0) this.#persist(at + 1)
  }
}

function apply(names: Map<string, StoredNode>, change: PendingChange): void {
  if (change.removed !== undefined) names.delete(change.removed)
  if (change.node === undefined) names.delete(change.name)
  else names.set(change.name, change.node)
}
