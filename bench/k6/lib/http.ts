import { sleep } from 'k6'
import http from 'k6/http'
import type { RefinedResponse } from 'k6/http'
import { b64decode, b64encode } from 'k6/encoding'
import { endpoints, project, token } from './config.ts'
import { givenUp, latency, retried } from './metrics.ts'

/** Answers that tell to try again elsewhere, or that a condition did not hold, are not failures of HTTP. */
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 399 }, 404, 412, 429, 503, 504))

const PATIENCE_MS = 15_000
const PASSING = [0, 429, 503, 504]

export interface Call {
  readonly op: string
  readonly method: 'GET' | 'PUT' | 'POST'
  readonly path: string
  readonly body?: string
  /** Makes a write that is sent again apply once. */
  readonly idempotencyKey?: string
}

export type Answer = RefinedResponse<'text'>

/** Where this virtual user goes next: each begins elsewhere, and moves on when a node does not do. */
let turn = __VU

/**
 * Sends a request to one node after the other until one answers for certain. Undefined after 15 seconds: nobody knows what became of it.
 * A write needs an idempotency key: only with it is sending it again harmless.
 */
export function send({ op, method, path, body, idempotencyKey }: Call): Answer | undefined {
  const startedMs = Date.now()
  const headers: Record<string, string> = {}
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`
  if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey
  if (method === 'POST') headers['content-type'] = 'application/json'
  for (let attempt = 0; Date.now() - startedMs < PATIENCE_MS; attempt++) {
    const url = `http://${endpoints[turn % endpoints.length]}${path}`
    const params = { headers, tags: { op, name: op }, timeout: '5s', responseType: 'text' } as const
    const response = http.request(method, url, body ?? null, params)
    if (!PASSING.includes(response.status)) {
      latency.add(Date.now() - startedMs, { op })
      return response
    }
    retried.add(1, { op, status: String(response.status) })
    turn++
    sleep(Math.random() * Math.min(0.5, 0.01 * 2 ** attempt))
  }
  givenUp.add(1, { op })
  return undefined
}

/** The next request goes to another node. */
export function moveOn(): void {
  turn++
}

export interface CommitAnswer {
  readonly seq: number
  readonly token: string
  readonly results: readonly (number | string)[]
}

/** POST /v1/commit; undefined where nobody knows. Throws if it was refused. */
export function commit(op: string, idempotencyKey: string, envelope: object): CommitAnswer | undefined {
  const body = JSON.stringify(envelope)
  const answer = send({ op, method: 'POST', path: '/v1/commit', body, idempotencyKey })
  if (answer === undefined) return undefined
  if (answer.status !== 200) throw new Error(`${op}: ${answer.status} ${answer.body}`)
  return JSON.parse(answer.body) as CommitAnswer
}

/** Bytes of a text, as JSON has them. */
export function bytes(text: string): { $b: string } {
  return { $b: b64encode(text) }
}

/** One key's place in an envelope. */
export function place(key: string): { project: string; key: { $b: string } } {
  return { project, key: bytes(key) }
}

/** The unsigned integer in 8 big-endian bytes. */
export function numberOf(value: { $b: string }): number {
  const view = new DataView(b64decode(value.$b))
  return Number(view.getBigUint64(0))
}

export interface Listed {
  readonly text: string
  readonly value: { $b: string }
  readonly seq: number
}

/** All entries under a prefix, of one state. */
export function listAll(prefix: string): Listed[] {
  const entries: Listed[] = []
  let cursor: string | undefined
  do {
    const at = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const path = `/v1/kv/${project}/app?prefix=${encodeURIComponent(prefix)}&limit=500${at}`
    const answer = send({ op: 'list', method: 'GET', path })
    if (answer === undefined || answer.status !== 200) throw new Error(`list: ${answer?.status} ${answer?.body}`)
    const page = JSON.parse(answer.body) as { entries: Listed[]; cursor?: string }
    entries.push(...page.entries)
    cursor = page.cursor
  } while (cursor !== undefined)
  return entries
}

export function keyPath(key: string): string {
  return `/v1/kv/${project}/app/${encodeURIComponent(key)}`
}
