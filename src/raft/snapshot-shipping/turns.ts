import type { Timers } from '../../platform/index.ts'

/** Resolves in the next turn of the loop: what is ready meanwhile goes first. */
export function endOfTurn(timers: Timers): Promise<void> {
  return new Promise(resolve => {
    timers.endOfTurn(resolve)
  })
}

/** What went wrong, for a message to a peer and to an operator. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
