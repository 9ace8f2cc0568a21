/** What checks a Quorate: the conformance suite and the linearizability checker. */
export { conformanceSections, conformanceSuite } from './conformance/suite.ts'
export type {
  ConformanceCase,
  ConformanceContext,
  ConformanceHooks,
  ConformanceOptions,
  ConformanceRunner,
  ConformanceSection,
  OpenedDatabase,
} from './conformance/context.ts'
