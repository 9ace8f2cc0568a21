/** The seed of this room's randomised tests: QUORATE_SEED, or a fixed one. Printed, so that a failure can be repeated. */
export const seed = Number(process.env['QUORATE_SEED'] ?? 1)
console.log(`seed ${seed}`)
