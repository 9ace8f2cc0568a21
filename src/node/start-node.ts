import { LatencyHistogram, QuorateError, RunningRequests } from '../model/index.ts'
import type { PeerTransport } from '../model/index.ts'
import { ReplicaCore } from '../raft/index.ts'
import type { ReplicaOptions } from '../raft/index.ts'
import { isDataDirectory, LOG_WRITER_JOB } from '../log/index.ts'
import type { Platform } from '../platform/index.ts'
import type { nodePlatform } from '../platform/node/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import { createGateway } from '../transport/gateway/index.ts'
import type { Gateway, GatewayLimits } from '../transport/gateway/index.ts'
import type { ObservedPeerTransport } from '../transport/peer/index.ts'
import { openAdminDoor } from './admin-door.ts'
import type { AdminDoor } from './admin-door.ts'
import type { Authentication } from './authentication.ts'
import { checkDataDirectory } from './check-data.ts'
import { BackupDesk } from './backup-desk.ts'
import { openClientDoor } from './client-door.ts'
import type { Configuration, Endpoint } from './configuration.ts'
import { createLogger } from './logger.ts'
import type { NodeLogger } from './logger.ts'
import { openReplicaNode } from './open-replica.ts'
import type { ReplicaNode } from './open-replica.ts'
import { loadCredentials } from './credentials.ts'
import { disputeLog, fenceLog } from './drift-log.ts'
import { createPeerLinks } from './peer-links.ts'
import { RefusalLog } from './refusal-log.ts'
import { RoleLog } from './role-log.ts'
import { startFailure } from './start-failure.ts'
import { StartLog } from './start-log.ts'
import { StartProgress } from './start-progress.ts'
import type { NodeTls } from './tls.ts'
import { VERSION } from './version.ts'

/** A node that serves. */
export interface RunningNode {
  readonly clientAddress: Endpoint
  readonly adminAddress: Endpoint
  /** Reads tokens and certificates again; where a file is not sound the old ones stay, and the log says so. */
  reload(): Promise<void>
  /** Stops in order: not ready, leadership handed over, clients sent away, closed. Repeats are harmless. */
  stop(reason: string): Promise<void>
  /** Resolves when the node has stopped: undefined after `stop`, else why. */
  readonly stopped: Promise<Error | undefined>
}

/**
 * Builds and starts one node.
 * @throws QuorateError `damaged` naming file and offset, `directory_locked` naming the holder, `configuration_invalid`,
 * `address_unavailable` naming the address, `out_of_space` and `storage_failed` naming the file
 */
export async function startNode(
  configuration: Configuration,
  createPlatform: typeof nodePlatform,
): Promise<RunningNode> {
  const jobs = { [LOG_WRITER_JOB]: new URL('./log-writer-thread.js', import.meta.url) }
  const platform = createPlatform(jobs)
  const logger = createLogger(configuration)
  try {
    const { authentication, tls, keys } = await loadCredentials(configuration, platform)
    const progress = new StartProgress(() => platform.clock.monotonicMs())
    const adminDoor = await openAdminDoor(configuration.admin, tls.admin, progress).catch((error: unknown) =>
      portTaken(error, configuration, platform),
    )
    logger.info({ admin: adminDoor.address, version: VERSION }, 'the node starts')
    const startLog = new StartLog(progress, platform.timers, logger)
    try {
      await requireUndamaged(configuration, platform, logger, progress, keys)
      return await new NodeAssembly({
        configuration,
        platform,
        logger,
        authentication,
        tls,
        adminDoor,
        progress,
        startLog,
        keys,
      }).start()
    } catch (error) {
      startLog.close()
      await adminDoor.close()
      throw error
    }
  } catch (error) {
    const reason = startFailure(error)
    logger.error({ error: String(reason) }, `the node did not start: ${String(reason)}`)
    throw reason
  }
}

/** As a rule whoever has the port has the directory open too: then that is the better answer. */
async function portTaken(error: unknown, { dataDirectory }: Configuration, { files }: Platform): Promise<never> {
  if ((await files.size(`${dataDirectory}/identity.json`)) !== undefined) {
    const lock = await files.lock(dataDirectory)
    await lock.release()
  }
  throw error
}

/** Damage is found before anything is served, not when a reader happens to meet it (promise 6). */
async function requireUndamaged(
  { dataDirectory }: Configuration,
  { files, clock, random, ciphers }: Platform,
  logger: NodeLogger,
  progress: StartProgress,
  keys: ConfiguredKeys | undefined,
): Promise<void> {
  if (!(await isDataDirectory(files, dataDirectory))) return
  const startMs = clock.monotonicMs()
  const { damage, regions, verdict } = await checkDataDirectory(files, dataDirectory, {
    onShare: share => progress.report('check', share),
    sealing: { random, ciphers, keys },
  })
  const [first] = damage
  if (first !== undefined) {
    const { file, offset, reason = 'damaged' } = first
    throw new QuorateError('damaged', `${file} at ${offset}: ${reason}`, { detail: { file, offset } })
  }
  const ms = Math.round(clock.monotonicMs() - startMs)
  logger.info({ regions: regions.length, ms, verdict }, 'the data directory was checked')
  for (const { file, offset, state, reason } of regions) {
    if (state === 'torn' || state === 'suspect')
      logger.warn({ file, offset, reason }, `${state}: what a crash may leave`)
  }
}

interface AssemblyParts {
  readonly configuration: Configuration
  readonly platform: Platform
  readonly logger: NodeLogger
  readonly authentication: Authentication
  readonly tls: NodeTls
  /** Open, and not served by the node yet. */
  readonly adminDoor: AdminDoor
  readonly progress: StartProgress
  /** Closed with the node. */
  readonly startLog: StartLog
  readonly keys: ConfiguredKeys | undefined
}

class NodeAssembly {
  readonly #configuration: Configuration
  readonly #platform: Platform
  readonly #logger: NodeLogger
  readonly #authentication: Authentication
  readonly #tls: NodeTls
  readonly #adminDoor: AdminDoor
  readonly #progress: StartProgress
  readonly #keys: ConfiguredKeys | undefined
  readonly #closing: (() => Promise<void>)[] = []
  #resolveStopped: (failure: Error | undefined) => void = () => undefined
  readonly #stopped = new Promise<Error | undefined>(resolve => (this.#resolveStopped = resolve))
  #replica: ReplicaNode | undefined
  #gateway: Gateway | undefined
  #links: ObservedPeerTransport | undefined
  readonly #httpLatency = new LatencyHistogram()
  #failure: Error | undefined
  #stopping: Promise<void> | undefined

  constructor(parts: AssemblyParts) {
    this.#tls = parts.tls
    this.#configuration = parts.configuration
    this.#platform = parts.platform
    this.#logger = parts.logger
    this.#authentication = parts.authentication
    this.#adminDoor = parts.adminDoor
    this.#progress = parts.progress
    this.#keys = parts.keys
    this.#closing.push(() => Promise.resolve(parts.startLog.close()))
  }

  async start(): Promise<RunningNode> {
    try {
      return await this.#open()
    } catch (error) {
      await this.#stopping
      await this.#closeAll()
      throw error
    }
  }

  /** A replica may fail while the rest is still being opened: then nothing is served. */
  #requireWhole(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  async #open(): Promise<RunningNode> {
    const { client, dataDirectory, readiness, backupDirectory } = this.#configuration
    const [platform, authentication, progress] = [this.#platform, this.#authentication, this.#progress]
    const node = await this.#openReplica()
    const onFault = (error: unknown): void => {
      const stack = error instanceof Error ? error.stack : undefined
      this.#logger.error({ error: String(error), stack }, 'a request met a fault of this program')
    }
    const gateway = this.#openGateway(node, onFault)
    const roles = new RoleLog(node.replica, platform.timers, this.#logger)
    this.#closing.push(() => Promise.resolve(roles.close()))
    const backups = await BackupDesk.open({
      platform,
      node,
      directory: backupDirectory ?? `${dataDirectory}/backups`,
      mayKeep: this.#keys?.encryption === undefined || backupDirectory !== undefined,
      logger: this.#logger,
    })
    this.#closing.push(() => backups.close())
    const { core, requests } = this.#watchRequests(node, gateway)
    const figures = { httpLatency: this.#httpLatency, links: () => this.#links?.status() ?? [] }
    const common = { node, gateway, platform, authentication, tls: this.#tls, version: VERSION, onFault, ...figures }
    const parts = { ...common, core, requests, backups }
    this.#requireWhole()
    const clientDoor = await openClientDoor(client, parts)
    this.#closing.push(() => clientDoor.close())
    this.#requireWhole()
    const adminDoor = this.#adminDoor
    adminDoor.serve({
      ...parts,
      progress,
      readiness,
      drain: () => void this.#stop('drained by request'),
      onAction: (caller, action) => this.#logger.info({ caller, action }, 'an operator asked for something'),
    })
    this.#closing.push(() => adminDoor.close())
    this.#logger.info({ client: clientDoor.address, admin: adminDoor.address, version: VERSION }, 'the node serves')
    return {
      clientAddress: clientDoor.address,
      adminAddress: adminDoor.address,
      reload: () => this.#reload(),
      stop: reason => this.#stop(reason),
      stopped: this.#stopped,
    }
  }

  async #openReplica(): Promise<ReplicaNode> {
    const { members, name, dataDirectory, storage } = this.#configuration
    const progress = this.#progress
    const refusals = new RefusalLog(this.#platform.clock, this.#logger)
    let openedAtSeq = 0
    const node = await openReplicaNode({
      platform: this.#platform,
      directory: dataDirectory,
      name,
      members: members.map(({ name, peer, client }) => ({ name, peerAddress: peer, clientAddress: client })),
      cursorSecret: this.#authentication.secret,
      createTransport: (...asked) => this.#createTransport(...asked),
      onRefusal: refusals.onRefusal,
      onFence: fenceLog(this.#logger),
      onDispute: disputeLog(this.#logger),
      storage,
      keys: this.#keys,
      onMachine: machine => (openedAtSeq = machine.appliedSeq),
      onStep: step => progress.opens(step),
      onLogRead: share => progress.report('open', share),
      onFatal: error => this.#failed(error),
    })
    progress.replay(openedAtSeq, node.replica.inspect().core.commit, () => node.machine.appliedSeq)
    this.#replica = node
    this.#closing.push(() => node.close())
    return node
  }

  #openGateway({ replica }: ReplicaNode, onFault: (error: unknown) => void): Gateway {
    const { clock, timers, random } = this.#platform
    const gateway = createGateway({
      service: replica,
      clock,
      timers,
      random,
      authenticate: (token, isLoopback, address) => this.#authentication.callerOf('client', token, isLoopback, address),
      serverVersion: VERSION,
      onImpersonation: (actor, caller) => this.#logger.info({ actor, caller }, 'reads in the name of another caller'),
      slow: replica.slow,
      limits: viewLimits(this.#configuration),
      onFault,
    })
    this.#gateway = gateway
    this.#closing.push(() => Promise.resolve(gateway.close()))
    return gateway
  }

  /** What is under way, and what takes long. */
  #watchRequests({ replica }: ReplicaNode, gateway: Gateway): { core: ReplicaCore; requests: RunningRequests } {
    const { clock, timers, random } = this.#platform
    const { slow } = replica
    slow.thresholdMs = this.#configuration.slowRequests.thresholdMs
    slow.onSlow = request => this.#logger.warn({ request }, `a request took ${Math.round(request.totalMs)} ms`)
    const core = new ReplicaCore({ service: replica, clock, timers, random, slow, queries: gateway.stats.queries })
    return { core, requests: new RunningRequests([replica.commits, gateway, core.reads]) }
  }

  /** What is not sound stays as it was, and hinders nothing else. */
  async #reload(): Promise<void> {
    const { client, peer, admin } = this.#tls
    const parts = [this.#authentication, client, peer, admin].filter(part => part !== undefined)
    const read = parts.map(part => part.reload())
    let isSound = true
    for (const result of await Promise.allSettled(read)) {
      if (result.status === 'fulfilled') continue
      isSound = false
      this.#logger.error({ error: String(result.reason) }, 'what could not be read again stays as it was')
    }
    this.#gateway?.recheck((token, isLoopback) => this.#authentication.recheck('client', token, isLoopback))
    if (isSound) this.#logger.info({}, 'tokens and certificates were read again')
  }

  #createTransport(...asked: Parameters<ReplicaOptions['createTransport']>): PeerTransport {
    const { secret } = this.#authentication
    this.#links = createPeerLinks(this.#configuration, this.#platform, secret, this.#tls.peer, ...asked)
    return this.#links
  }

  #failed(error: Error): void {
    this.#failure ??= error
    this.#logger.error({ error: String(error) }, `the replica has stopped: ${error.message}`)
    void this.#stop('the replica has stopped')
  }

  #stop(reason: string): Promise<void> {
    this.#stopping ??= this.#stopInOrder(reason)
    return this.#stopping
  }

  async #stopInOrder(reason: string): Promise<void> {
    this.#logger.info({ reason }, 'the node stops')
    const graceMs = this.#configuration.drainSeconds * 1000
    const replica = this.#replica?.replica
    if (this.#failure === undefined && replica !== undefined) {
      await replica.drain(graceMs)
      await this.#gateway?.drain(Math.min(graceMs, GOAWAY_GRACE_MS), replica.leaderHint)
    }
    await this.#closeAll()
    this.#logger.info({}, 'the node has stopped')
    this.#resolveStopped(this.#failure)
  }

  /** Doors first, the directory last. */
  async #closeAll(): Promise<void> {
    // A start that is under way may add to them meanwhile.
    for (const close of this.#closing.splice(0).toReversed()) {
      await close().catch((error: unknown) => this.#logger.warn({ error: String(error) }, 'a part did not close'))
    }
  }
}

function viewLimits({ views }: Configuration): Partial<GatewayLimits> {
  const { perConnectionMax: viewsMax, openMax: viewsOpenMax, idleMs: viewIdleMs, maxAgeMs: viewAgeMs } = views
  return { viewsMax, viewsOpenMax, viewIdleMs, viewAgeMs }
}

/** Requests under way have this long to be answered after clients were told to go elsewhere. */
const GOAWAY_GRACE_MS = 2_000
