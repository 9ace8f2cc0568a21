import { QuorateError } from '../../src/entry/client.ts'
import type { Client, Consistency, KeyValueSpace, Token } from '../../src/entry/client.ts'
import type { History } from './history.ts'
import { PROJECT, SCOPES } from './names.ts'

interface Written {
  readonly seq: number
  readonly token: Token
  readonly value: Uint8Array
  readonly atMs: number
}

const ABSENT: ReadonlySet<string> = new Set(['project_not_found', 'scope_not_found'])
const KEPT = 64
const STALE_MS = [200, 1_000, 5_000]

/** A key that one worker alone writes: so it knows what weaker reads of it may show. */
export class OwnKey {
  readonly #key: string
  readonly #space: KeyValueSpace<string, Uint8Array>
  readonly #history: History
  #written: Written[] = []
  #number = 0

  constructor(name: string, client: Client, history: History) {
    this.#key = name
    this.#space = client.kv(PROJECT, { scope: SCOPES.own })
    this.#history = history
  }

  async write(timeoutMs: number): Promise<void> {
    const value = Buffer.from(`${this.#key}:${this.#number++}`)
    const { seq, token } = await this.#space.set(this.#key, value, { timeoutMs })
    this.#history.acknowledged(performance.now())
    this.#written.push({ seq, token, value, atMs: performance.now() })
    if (this.#written.length > KEPT) this.#written.shift()
  }

  /** A read of one of the weaker levels, judged by what that level promises. `choice` picks the level. */
  async read(choice: number, timeoutMs: number): Promise<void> {
    const last = this.#written.at(-1)
    if (last === undefined) return
    const calledAtMs = performance.now()
    const some = this.#written[choice % this.#written.length]!
    const maxStaleMs = STALE_MS[choice % STALE_MS.length]!
    const atLeast = (seq: number) => (found: number) => found >= seq
    const levels: readonly (readonly [Consistency, (foundSeq: number) => boolean])[] = [
      ['linearizable', atLeast(last.seq)],
      [{ minSeq: last.token }, atLeast(last.seq)],
      [{ minSeq: some.token }, atLeast(some.seq)],
      [{ atSeq: some.token }, found => found === some.seq],
      [{ maxStaleMs }, atLeast(this.#written.findLast(({ atMs }) => atMs < calledAtMs - maxStaleMs)?.seq ?? 0)],
      ['local', () => true],
      ['checkpoint', () => true],
    ]
    const [consistency, isAllowed] = levels[(choice >>> 8) % levels.length]!
    const entry = await this.#find(consistency, timeoutMs)
    this.#history.totals.weakReads++
    const foundSeq = entry?.seq ?? 0
    const what = `read of ${this.#key} with ${JSON.stringify(consistency)}`
    if (!isAllowed(foundSeq)) this.#history.violation(`stale: ${what} showed seq ${foundSeq}, last written ${last.seq}`)
    if (entry === undefined) return
    // Values and seqs belong together, whatever the level.
    const known = this.#written.find(({ seq }) => seq === foundSeq)
    const value = Buffer.from(entry.value).toString()
    if (
      !value.startsWith(`${this.#key}:`) ||
      (known !== undefined && !known.value.every((byte, i) => byte === entry.value[i]))
    ) {
      this.#history.violation(`${what} showed ${value} at seq ${foundSeq}`)
    }
  }

  /**
   * A state of before the project or the scope was made holds nothing: such is the newest checkpoint of a node that has had no time for
   * another one. Whether the level allows that is judged like any other state.
   */
  async #find(consistency: Consistency, timeoutMs: number): ReturnType<KeyValueSpace<string, Uint8Array>['entry']> {
    try {
      return await this.#space.entry(this.#key, { consistency, timeoutMs })
    } catch (error) {
      if (error instanceof QuorateError && ABSENT.has(error.code)) return undefined
      throw error
    }
  }
}
