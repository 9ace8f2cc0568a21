/** `quorate/testing`: the conformance suite, the linearizability checker, the simulated world and the fault proxy, for your own tests. */
export * from '../testing/index.ts'
