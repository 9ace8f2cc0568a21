/** Randomness for ids, jitter and timeouts. The simulated one is seeded. */
export interface Random {
  /** A uniform integer in [0, 2^32). */
  u32(): number
  /** A uniform number in [0, 1). */
  float(): number
  /** `length` random bytes, fit for identifiers and nonces. */
  bytes(length: number): Uint8Array
}
