import { QuorateError } from '../../src/entry/client.ts'
import type { Client, Token, WatchEvent } from '../../src/entry/client.ts'
import type { History } from './history.ts'
import { APPEND, COUNTER, PROJECT, SCOPES } from './names.ts'

/** A watch of all appends that outlives whatever happens, and what it showed. */
export class Watcher {
  readonly #client: Client
  readonly #history: History
  readonly #stopping = new AbortController()
  readonly #done: Promise<void>
  /** Key to the seq with which it came. */
  readonly shown = new Map<string, number>()
  #from: Token
  #seq = 0
  #onEvent: (() => void) | undefined

  constructor(client: Client, history: History, from: Token) {
    this.#client = client
    this.#history = history
    this.#from = from
    this.#done = this.#run()
  }

  /** Resolves when it has shown everything up to `seq`; false if that does not come within `timeoutMs`. */
  async reaches(seq: number, timeoutMs: number): Promise<boolean> {
    const late = new AbortController()
    const timer = setTimeout(() => {
      late.abort()
      this.#onEvent?.()
    }, timeoutMs)
    while (this.#seq < seq && !late.signal.aborted) await new Promise<void>(resolve => (this.#onEvent = resolve))
    clearTimeout(timer)
    return this.#seq >= seq
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        const selector = { project: PROJECT, scope: SCOPES.appends }
        for await (const event of this.#client.watch(selector, { from: this.#from, signal })) await this.#take(event)
      } catch (error) {
        const code = error instanceof QuorateError ? error.code : String(error)
        this.#history.failed(`watch ${code}`)
        if (!(error instanceof QuorateError && error.retryable)) {
          this.#history.violation(`the watch ended with ${String(error)}`)
          return
        }
      }
    }
  }

  async #take(event: WatchEvent): Promise<void> {
    if (event.seq < this.#seq || (event.type === 'commit' && event.seq === this.#seq)) {
      this.#history.violation(`the watch went from ${this.#seq} to ${event.type} ${event.seq}`)
    }
    if (event.type === 'commit') this.#takeCommit(event)
    if (event.type === 'reset') {
      const entries = event.view.kv(PROJECT, { scope: SCOPES.appends }).scan({ prefix: APPEND })
      for await (const { key, seq } of entries) this.shown.set(key, seq)
      await event.view.close()
      this.#history.failed('watch reset')
    }
    this.#seq = event.seq
    this.#from = event.token
    this.#onEvent?.()
  }

  #takeCommit({ seq, changes }: Extract<WatchEvent, { type: 'commit' }>): void {
    this.#history.totals.watched++
    const keys = changes.map(({ key }) => Buffer.from(key).toString())
    const appended = keys.filter(key => key.startsWith(APPEND))
    const counted = keys.filter(key => key.startsWith(COUNTER))
    if (appended.length !== 1 || counted.length !== 1) {
      this.#history.violation(`the watch showed half a commit at ${seq}: ${keys.join(', ')}`)
    }
    for (const key of appended) {
      if (this.shown.has(key)) this.#history.violation(`the watch showed ${key} twice, again at ${seq}`)
      this.shown.set(key, seq)
    }
  }
}
