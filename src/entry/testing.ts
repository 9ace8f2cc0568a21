/** `quorate/testing`: the conformance suite, the linearizability checker and the simulated world, for your own tests. */
export * from '../testing/index.ts'
