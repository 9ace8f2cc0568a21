import type { Command } from 'commander'
import { QuorateError } from '../model/index.ts'
import type { DatabaseStatus } from '../model/index.ts'
import { httpRequest, nodePlatform } from '../node/index.ts'
import { delayOn } from '../platform/index.ts'
import { adminCall, authorization, errorOf, schemeOf, shortReason } from './admin-calls.ts'
import type { Session, WithSession } from './context.ts'

/** One node as its own client port describes it, or why it did not. */
type NodeReport = { endpoint: string; status: DatabaseStatus } | { endpoint: string; error: string }

const STATUS_TIMEOUT_MS = 2_000
const LEADER_POLL_MS = 20

/** `quorate status`, `quorate leader` and `quorate drain`. */
export function addClusterCommands(program: Command, withSession: WithSession): void {
  program
    .command('status')
    .description('every node with its role, term and how far it has applied')
    .action(withSession(async session => showStatus(session)))
  program
    .command('head')
    .description('how far reads see and what a majority has synced')
    .option('--wait <token>', 'waits until this seq or token is synced by a majority')
    .action(withSession(showHead))
  program
    .command('settings')
    .description('the replicated settings; `quorate ddl` with `setSetting` changes one')
    .argument('[name]', 'only the value of this one')
    .action(withSession(showSettings))
  program
    .command('checkpoint')
    .description('has nodes write what changed since their last checkpoint')
    .argument('[endpoint]', 'client address of the node; default: all of --endpoints')
    .action(withSession(takeCheckpoints))
  const leader = program.command('leader').description('show the leader, hand leadership over')
  leader.command('show').action(
    withSession(async session => {
      const found = await requireLeader(session)
      session.output.result(found, () =>
        session.output.line(`${found.name} (${found.clientAddress}), term ${found.term}`),
      )
    }),
  )
  leader
    .command('transfer')
    .description('hands leadership to the named node, or to the one that is furthest')
    .argument('[name]', 'name of the node')
    .action(withSession(transferLeadership))
  program
    .command('drain')
    .description('stops a node in order: it hands leadership over, sends its clients away and ends')
    .argument('[endpoint]', 'client address of the node; default: the first of --endpoints')
    .action(
      withSession(async (session, command) => {
        const [endpoint] = command.args
        const drained = endpoint ?? session.endpoints[0]!
        await adminCall(session, adminOf(session, drained), '/admin/v1/drain', {})
        session.output.result({ draining: drained }, () => session.output.line(`${drained} is draining`))
      }),
    )
}

async function showHead(session: Session, command: Command): Promise<void> {
  const { wait } = command.opts<{ wait?: string }>()
  const database = await session.database()
  const head = await (wait === undefined ? database.head() : database.waitForDurable(pointOf(wait)))
  session.output.result(head, () => session.output.line(`visible ${head.visibleSeq}, durable ${head.durableSeq}`))
}

/** A seq or a token. */
function pointOf(text: string): number | string {
  return /^\d{1,16}$/.test(text) ? Number(text) : text
}

/** One node after the other, so that not all of them write at once. */
async function takeCheckpoints(session: Session, command: Command): Promise<void> {
  const [only] = command.args
  const endpoints = only === undefined ? session.endpoints : [only]
  const taken: { endpoint: string; seq: number }[] = []
  for (const endpoint of endpoints) {
    const admin = adminOf(session, endpoint)
    const { seq } = JSON.parse(await adminCall(session, admin, '/admin/v1/checkpoint', {})) as { seq: number }
    taken.push({ endpoint, seq })
  }
  session.output.result(taken, () => session.output.table(taken))
}

/** @throws QuorateError `invalid_argument` */
function adminOf(session: Session, endpoint: string): string {
  const admin = session.adminEndpoints[session.endpoints.indexOf(endpoint)]
  if (admin === undefined) throw new QuorateError('invalid_argument', `${endpoint} is not among --endpoints`)
  return admin
}

async function showStatus(session: Session): Promise<void> {
  const reports = await Promise.all(session.endpoints.map(endpoint => reportOf(session, endpoint)))
  const reached = reports.filter(report => 'status' in report)
  session.output.result(
    reports.map(report => ('status' in report ? { endpoint: report.endpoint, ...report.status } : report)),
    () => {
      const newest = Math.max(0, ...reached.map(({ status }) => status.commitSeq))
      session.output.table(reports.map(report => rowOf(report, newest)))
      const leaders = new Set(reached.map(({ status }) => status.leader?.name))
      if (leaders.size !== 1 || leaders.has(undefined)) session.output.line('the nodes name no common leader')
    },
  )
  if (reached.length === 0) throw new QuorateError('unavailable', 'no node answers', { retryable: true })
}

/** `newestSeq`: the newest committed seq that any node names. */
function rowOf(report: NodeReport, newestSeq: number): Record<string, string | number> {
  const { endpoint } = report
  if ('error' in report) {
    const nothing = { term: '', committed: '', applied: '', behind: '', leader: '' }
    return { node: '-', endpoint, role: `unreachable: ${report.error}`, ...nothing }
  }
  const { nodeId, members, role, term, commitSeq, appliedSeq, leader } = report.status
  const name = members.find(member => member.nodeId === nodeId)?.name ?? '-'
  return {
    node: name,
    endpoint,
    role,
    term,
    committed: commitSeq,
    applied: appliedSeq,
    behind: Math.max(0, newestSeq - appliedSeq),
    leader: leader?.name ?? '-',
  }
}

async function reportOf(session: Session, endpoint: string): Promise<NodeReport> {
  try {
    const { status, body } = await httpRequest({
      method: 'GET',
      url: `${schemeOf(session)}://${endpoint}/v1/status`,
      ...(session.tls !== undefined && { tls: session.tls }),
      headers: authorization(session),
      timeoutMs: Math.min(STATUS_TIMEOUT_MS, session.timeoutMs),
    })
    if (status !== 200) return { endpoint, error: errorOf(status, body).message }
    return { endpoint, status: JSON.parse(body) as DatabaseStatus }
  } catch (error) {
    return { endpoint, error: error instanceof Error ? shortReason(error) : String(error) }
  }
}

interface FoundLeader {
  nodeId: number
  name: string
  clientAddress: string
  term: number
}

/** The leader of the highest term that any node names. @throws QuorateError `unavailable` */
async function requireLeader(session: Session): Promise<FoundLeader> {
  const reports = await Promise.all(session.endpoints.map(endpoint => reportOf(session, endpoint)))
  let newest: FoundLeader | undefined
  for (const report of reports) {
    if (!('status' in report) || report.status.leader === undefined || report.status.leader === null) continue
    const { term, leader } = report.status
    if (newest === undefined || term > newest.term) newest = { ...leader, term }
  }
  if (newest === undefined) throw new QuorateError('unavailable', 'no node knows a leader', { retryable: true })
  return newest
}

async function showSettings(session: Session, command: Command): Promise<void> {
  const [name] = command.args
  const settings = await (await session.database()).settings()
  if (name === undefined) {
    return session.output.result(settings, () =>
      session.output.table(Object.entries(settings).map(([setting, value]) => ({ setting, value }))),
    )
  }
  if (!Object.hasOwn(settings, name)) throw new QuorateError('setting_not_found', `there is no setting '${name}'`)
  const value = settings[name]
  session.output.result({ [name]: value }, () => session.output.line(String(value)))
}

async function transferLeadership(session: Session, command: Command): Promise<void> {
  const [name] = command.args
  const before = await requireLeader(session)
  const index = session.endpoints.indexOf(before.clientAddress)
  const at = before.clientAddress.lastIndexOf(':')
  const byConvention = `${before.clientAddress.slice(0, at)}:${Number(before.clientAddress.slice(at + 1)) + 20}`
  const admin = session.adminEndpoints[index] ?? byConvention
  await adminCall(session, admin, '/admin/v1/leader/transfer', name === undefined ? {} : { to: name })
  const isThere = name === before.name
  const after = isThere ? before : await newLeader(session, before)
  session.output.result({ from: before, to: after }, () =>
    session.output.line(
      isThere
        ? `${name} leads already (term ${before.term})`
        : `leadership went from ${before.name} to ${after.name} (term ${after.term})`,
    ),
  )
}

/** Waits until the nodes name a leader of a later term. */
async function newLeader(session: Session, before: FoundLeader): Promise<FoundLeader> {
  const { clock, timers } = nodePlatform()
  const deadlineMs = clock.monotonicMs() + session.timeoutMs
  for (;;) {
    try {
      const found = await requireLeader(session)
      if (found.term > before.term) return found
    } catch (error) {
      if (!(error instanceof QuorateError) || clock.monotonicMs() > deadlineMs) throw error
    }
    if (clock.monotonicMs() > deadlineMs) {
      throw new QuorateError('timeout', 'no node names a new leader', { retryable: true })
    }
    await delayOn(timers, LEADER_POLL_MS, undefined)
  }
}
