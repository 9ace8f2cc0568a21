/** What the programs of this package need of their machine besides the ports of a replica. */
export {
  endProcess,
  freePorts,
  httpRequest,
  httpStream,
  isPortFree,
  tuneForLongRun,
  nodePlatform,
  onParentGone,
  onSignals,
  pathOfModule,
  readEnvironment,
  setExitCode,
  startChild,
} from '../platform/node/index.ts'
export type { ChildProcess, Environment, HttpAnswer, HttpRequestOptions, HttpStream } from '../platform/node/index.ts'
