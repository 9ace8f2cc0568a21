import { sleep } from 'k6'
import http from 'k6/http'
import { adminEndpoints, token } from './config.ts'
import { latency, transfers } from './metrics.ts'

const PAUSE_SECONDS = 4

/** Hands leadership over, again and again, as an operator would before work on a node. One virtual user does it. */
export function operate(): void {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`
  sleep(PAUSE_SECONDS)
  const leader = adminEndpoints.find(
    endpoint =>
      http.get(`http://${endpoint}/leaderz`, { tags: { op: 'leaderz', name: 'leaderz' }, timeout: '2s' }).status ===
      200,
  )
  if (leader === undefined) return
  const startedMs = Date.now()
  const tags = { op: 'transfer', name: 'transfer' }
  const answer = http.post(`http://${leader}/admin/v1/leader/transfer`, '{}', { headers, tags, timeout: '10s' })
  if (answer.status !== 200) return
  transfers.add(1)
  latency.add(Date.now() - startedMs, { op: 'transfer' })
}
