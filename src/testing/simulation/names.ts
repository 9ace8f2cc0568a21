/** What the simulated clients work on. */
export const PROJECT = 'sim'
export const SCOPE = 'app'

const encoder = new TextEncoder()

export function keyOf(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Callers that have what they are given; from 1 on. */
export function callerOf(number: number): string {
  return `u${number}`
}
