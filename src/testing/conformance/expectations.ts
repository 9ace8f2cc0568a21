import { ok, equal } from 'node:assert/strict'
import { utf8Bytes } from '../../encoding/index.ts'
import { QuorateError, type ErrorCode, type WatchEvent } from '../../model/index.ts'

/** What the cases say over and over. */

export const bytes: (text: string) => Uint8Array = utf8Bytes

export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value)
}

/** The QuorateError with which `work` fails; its code is one of `codes`. */
export async function fails(work: Promise<unknown>, ...codes: ErrorCode[]): Promise<QuorateError> {
  const error: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  ok(error instanceof QuorateError, `should fail with ${codes.join(' or ')}, but gave ${String(error)}`)
  ok(
    codes.includes(error.code),
    `should fail with ${codes.join(' or ')}, but failed with ${error.code}: ${error.message}`,
  )
  return error
}

/** A refusal that certainly changed nothing. */
export async function refused(work: Promise<unknown>, ...codes: ErrorCode[]): Promise<QuorateError> {
  const error = await fails(work, ...codes)
  equal(error.applied, 'no', `${error.code} says applied: ${error.applied}`)
  return error
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export async function keysOf(entries: AsyncIterable<{ key: string }>): Promise<string[]> {
  return (await collect(entries)).map(entry => entry.key)
}

/** Takes events from a watch; `next` skips progress, which may come at any time. */
export class Watching {
  readonly #events: AsyncIterator<WatchEvent>
  readonly #controller: AbortController

  /** `start` gets the signal that ends the watch. */
  constructor(start: (signal: AbortSignal) => AsyncIterable<WatchEvent>) {
    this.#controller = new AbortController()
    this.#events = start(this.#controller.signal)[Symbol.asyncIterator]()
  }

  async next(): Promise<Exclude<WatchEvent, { type: 'progress' }>> {
    for (;;) {
      const step = await this.#events.next()
      if (step.done === true) throw new Error('the watch has ended')
      if (step.value.type !== 'progress') return step.value
    }
  }

  /** The next commit as `key=value`, `-key` for deletes and `~key` for expiries. */
  async nextCommit(): Promise<{ seq: number; token: string; changes: string[] }> {
    const event = await this.next()
    if (event.type !== 'commit') throw new Error(`a ${event.type} where a commit was awaited`)
    const changes = event.changes.map(({ key, kind, value }) =>
      kind === 'put' ? `${text(key)}=${text(value)}` : `${kind === 'delete' ? '-' : '~'}${text(key)}`,
    )
    return { seq: event.seq, token: event.token, changes }
  }

  /** Aborts the watch and waits for its end, which must be quiet. */
  async end(): Promise<void> {
    this.#controller.abort()
    while ((await this.#events.next()).done !== true);
  }
}
