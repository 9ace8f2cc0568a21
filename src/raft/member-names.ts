import type { Configuration, RaftCore } from './core/index.ts'
import { activeConfiguration } from './core/index.ts'
import { isMutant } from './mutants.ts'
import type { MemberAddress } from './options.ts'
import { membersOf } from './status.ts'

/**
 * Names and ids of the members of the active configuration, or as configured while there is none.
 * hot path (bench/cluster): asked for every message, so it is kept until the configuration is another one.
 */
export class MemberNames {
  readonly #core: RaftCore
  readonly #listed: readonly MemberAddress[]
  readonly #names = new Map<number, string>()
  readonly #ids = new Map<string, number>()
  #known: Configuration | undefined

  constructor(core: RaftCore, listed: readonly MemberAddress[]) {
    this.#core = core
    this.#listed = listed
    this.#read()
  }

  nameOf(id: number): string | undefined {
    this.#refresh()
    return this.#names.get(id)
  }

  idOf(name: string): number | undefined {
    this.#refresh()
    return this.#ids.get(name)
  }

  /** The directory that the group knows a member by; undefined while there is no group. */
  directoryOf(name: string): string | undefined {
    if (isMutant('member_by_name')) return undefined
    return activeConfiguration(this.#core.state)?.members.find(member => member.name === name)?.directoryId
  }

  #refresh(): void {
    if (activeConfiguration(this.#core.state) !== this.#known) this.#read()
  }

  #read(): void {
    this.#known = activeConfiguration(this.#core.state)
    this.#names.clear()
    this.#ids.clear()
    for (const { nodeId, name } of membersOf(this.#core, this.#listed)) {
      this.#names.set(nodeId, name)
      this.#ids.set(name, nodeId)
    }
  }
}
