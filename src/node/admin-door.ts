import { QuorateError } from '../model/index.ts'
import type { Topology } from '../model/index.ts'
import { jsonListener, listenHttp } from '../platform/node/index.ts'
import type { HttpCall, JsonAnswer } from '../platform/node/index.ts'
import { bearerToken } from './bearer-token.ts'
import type { Endpoint } from './configuration.ts'
import type { NodeParts } from './node-parts.ts'

export interface AdminDoor {
  readonly address: Endpoint
  close(): Promise<void>
}

const TRANSFER_MS = 10_000
const BODY_BYTES_MAX = 65_536

/** Probes and administration, on a port of their own. */
export async function openAdminDoor(
  endpoint: Endpoint,
  parts: NodeParts & { readonly drain: () => void },
): Promise<AdminDoor> {
  const server = await listenHttp({
    ...endpoint,
    onRequest: jsonListener(call => answerOrError(() => answer(call, parts))),
  })
  return { address: { host: server.host, port: server.port }, close: () => server.close({ graceMs: 500 }) }
}

/** Errors become {code, message, retryable, applied}. */
export async function answerOrError(answer: () => Promise<JsonAnswer>): Promise<JsonAnswer> {
  try {
    return await answer()
  } catch (error) {
    const { code, message, retryable, applied } =
      error instanceof QuorateError ? error : new QuorateError('internal', 'the request failed')
    return { status: statusOf(code), body: { code, message, retryable, applied } }
  }
}

function statusOf(code: QuorateError['code']): number {
  if (code === 'not_found') return 404
  if (code === 'unauthenticated') return 401
  if (code === 'invalid_argument' || code === 'malformed_request') return 400
  if (code === 'internal') return 500
  return code === 'timeout' ? 504 : 503
}

async function answer(
  call: HttpCall,
  { node, authentication, drain }: NodeParts & { readonly drain: () => void },
): Promise<JsonAnswer> {
  const { replica } = node
  const { path } = call
  if (path === '/livez') return { status: replica.failure === undefined ? 200 : 503, body: { live: true } }
  const status = replica.status()
  if (path === '/readyz') {
    const isReady = status.leader !== undefined && !replica.isDraining && status.role !== 'suspect'
    return { status: isReady ? 200 : 503, body: { ready: isReady } }
  }
  if (path === '/startupz') return { status: 200, body: { started: true } }
  if (path === '/leaderz') return { status: status.role === 'leader' ? 200 : 503, body: { role: status.role } }
  if (authentication.callerOf('admin', bearerToken(call.authorization), call.isLoopback) === undefined) {
    throw new QuorateError('unauthenticated', 'a token is needed')
  }
  if (path === '/admin/v1/status') return { status: 200, body: status }
  if (call.method !== 'POST') throw new QuorateError('not_found', `there is no ${path}`)
  const body = await readBody(call)
  if (path === '/admin/v1/leader/transfer') {
    await replica.transferLeadership(memberId(node.replica.topology.members, body['to']), TRANSFER_MS)
    return { status: 200, body: { transferred: true } }
  }
  if (path === '/admin/v1/drain') {
    drain()
    return { status: 202, body: { draining: true } }
  }
  if (path === '/admin/v1/checkpoint') return { status: 200, body: { seq: await replica.checkpoint() } }
  throw new QuorateError('not_found', `there is no ${path}`)
}

function memberId(members: Topology['members'], name: unknown): number | undefined {
  if (name === undefined) return undefined
  const member = members.find(one => one.name === name)
  if (member === undefined) throw new QuorateError('not_found', `there is no member ${JSON.stringify(name)}`)
  return member.nodeId
}

async function readBody(call: HttpCall): Promise<Record<string, unknown>> {
  try {
    const bytes = await call.readBody(BODY_BYTES_MAX)
    const value: unknown = bytes.length === 0 ? {} : JSON.parse(new TextDecoder().decode(bytes))
    if (value !== null && typeof value === 'object') return value as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
  }
  throw new QuorateError('malformed_request', 'the body is no JSON object')
}
