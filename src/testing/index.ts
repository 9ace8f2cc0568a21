/** What checks a Quorate: the conformance suite, the linearizability checker, the simulated world, fault points and the fault proxy. */
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
export { FAULT_POINTS, FaultPoints } from './fault-points/fault-points.ts'
export type { FaultCounts, FaultOptions, FaultPlan, FaultPoint } from './fault-points/fault-points.ts'
export { FaultProxy } from './fault-proxy/fault-proxy.ts'
export type { FaultProxyOptions, ProxyCounts, ProxyRoute } from './fault-proxy/fault-proxy.ts'
export type { FlowPorts, LinkFaults } from './fault-proxy/flow.ts'
export { checkLinearizable, DEFAULT_MAX_STEPS } from './linearizability/check.ts'
export type { CheckOptions } from './linearizability/check.ts'
export type { Model, Operation, Verdict } from './linearizability/history.ts'
export { counterModel, listModel, registerModel } from './linearizability/models.ts'
export type {
  CounterInput,
  CounterOutput,
  ListInput,
  ListOutput,
  RegisterInput,
  RegisterOutput,
  RegisterState,
} from './linearizability/models.ts'
export { HeartbeatWatch } from './simulation/heartbeat-watch.ts'
export { simulate } from './simulation/run.ts'
export type { SimulationOptions, SimulationResult, Stage } from './simulation/run.ts'
export type {
  AppliedReport,
  ConfiguredMember,
  NodeInspection,
  NodeOpening,
  OpenNode,
  RunningNode,
  StorageShape,
} from './simulation/node.ts'
export type { FaultClasses, Profile, WorkloadProfile } from './simulation/profile.ts'
export { openSimulatedReplica } from './simulation/replica-node.ts'
export type { WriteKind, WriteMix } from './simulation/write-mix.ts'
export { USUAL_MIX } from './simulation/write-mix.ts'
export { require } from './simulation/trace.ts'
