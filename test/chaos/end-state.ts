import { createHash } from 'node:crypto'
import { connect, integerCodec, QuorateError } from '../../src/entry/client.ts'
import type { Client, CommitResult, Token } from '../../src/entry/client.ts'
import { judgeAppends, judgeWatched } from './history.ts'
import type { AppendFound, History } from './history.ts'
import { APPEND, COUNTER, PROJECT, SCOPES } from './names.ts'
import { CLIENTS, NODES } from './system.ts'
import type { ChaosSystem } from './system.ts'
import type { Watcher } from './watcher.ts'

const WATCH_MS = 30_000
const STATE_ATTEMPTS = 5

/** What must hold when all faults have ended and nobody writes any more. */
export async function judgeEndState(
  system: ChaosSystem,
  client: Client,
  watcher: Watcher,
  history: History,
): Promise<void> {
  // A last write: everything that was ever acknowledged is before it.
  const { seq } = await lastWrite(client)
  const { found, counted } = await readAppends(client)
  for (const text of judgeAppends(history.appends, found, counted)) history.violation(text)
  if (!(await watcher.reaches(seq, WATCH_MS)))
    history.violation(`the watch did not come up to ${seq} in ${WATCH_MS} ms`)
  await watcher.stop()
  for (const text of judgeWatched(watcher.shown, found)) history.violation(text)
  await judgeReplicas(system, client, history)
}

async function readAppends(client: Client): Promise<{ found: Map<string, AppendFound>; counted: bigint }> {
  const found = new Map<string, AppendFound>()
  const appends = client.kv(PROJECT, { scope: SCOPES.appends })
  for await (const { key, seq, createdSeq } of appends.scan({ prefix: APPEND })) found.set(key, { seq, createdSeq })
  let counted = 0n
  const counters = client.kv(PROJECT, { scope: SCOPES.appends, value: integerCodec(64) })
  for await (const { value } of counters.scan({ prefix: COUNTER })) counted += value
  return { found, counted }
}

function lastWrite(client: Client): Promise<CommitResult> {
  return client.kv(PROJECT, { scope: SCOPES.own }).set('end', Buffer.from('end'))
}

/** Every replica, asked alone, has the same state at one seq, and none is fenced or has a broken log. */
async function judgeReplicas(system: ChaosSystem, client: Client, history: History): Promise<void> {
  const endpoints = system.endpoints.split(',')
  const { states, token } = await statesOfAll(endpoints, client)
  if (new Set(states).size !== 1) history.violation(`replicas differ at ${token}: ${states.join(' ')}`)
  for (const node of NODES) {
    for (const name of ['quorate_raft_is_fenced', 'quorate_log_is_latched', 'quorate_log_is_suspect']) {
      const value = await system.metric(node, name)
      if (value !== 0) history.violation(`n${node}: ${name} is ${value}`)
    }
  }
}

/** What all have at one seq: a new one, for what a node can show of the past has an end; where it has passed, a newer one is taken. */
async function statesOfAll(endpoints: readonly string[], client: Client): Promise<{ states: string[]; token: Token }> {
  for (let attempt = 1; ; attempt++) {
    const { token } = await lastWrite(client)
    try {
      return { states: await Promise.all(endpoints.map(endpoint => stateOf(endpoint, token))), token }
    } catch (error) {
      if (!(error instanceof QuorateError && error.code === 'seq_unavailable') || attempt === STATE_ATTEMPTS)
        throw error
    }
  }
}

/** SHA-256 over every key of the workload with its value and version, as one node has them. */
async function stateOf(endpoint: string, token: Token): Promise<string> {
  await using client = await connect(endpoint, { discover: false, readFrom: 'any', clientName: CLIENTS })
  // Waits until the node has come so far.
  await client.kv(PROJECT, { scope: SCOPES.own }).get('end', { consistency: { minSeq: token } })
  const hash = createHash('sha256')
  for (const scope of Object.values(SCOPES)) {
    for await (const entry of client.kv(PROJECT, { scope }).scan({ consistency: { atSeq: token } })) {
      const { key, value, seq, createdSeq } = entry
      hash.update(`${scope}/${key}@${seq}<${createdSeq}:${value.length}:`).update(value)
    }
  }
  return hash.digest('hex').slice(0, 16)
}
