import { refusalCode, requestContent } from '../model/index.ts'
import type { RequestSource, RunningRequest, SlowRequest } from '../model/index.ts'
import type { ApplyTiming, RequestTable } from './requests.ts'
import type { WaitingRequest } from './waiting-request.ts'

const ID = /^commit-(\d{1,16})-(\d{1,16})$/

/** The commits that a node has taken and not answered. */
export function runningCommits(requests: RequestTable, nowMs: () => number): RequestSource {
  return {
    running: () => requests.all().map(waiting => describe(waiting, nowMs())),
    cancel: id => {
      const [, session, serial] = ID.exec(id) ?? []
      return session !== undefined && requests.cancel(Number(session), Number(serial)) === true
    },
  }
}

function describe(waiting: WaitingRequest, nowMs: number): RunningRequest {
  const { session, serial, placedTerm, sinceMs, request } = waiting
  const { mutations: _, ...content } = requestContent(request)
  return {
    id: `commit-${session}-${serial}`,
    door: 'node',
    kind: 'commit',
    ...content,
    state: placedTerm === 0 ? 'waiting' : 'submitted',
    ageMs: nowMs - sinceMs,
  }
}

/** A commit that took long: where its time went, and what it was about, without any of its values. */
export function slowCommit(
  { request, sinceMs, placedAtMs }: WaitingRequest,
  { fromMs, toMs }: ApplyTiming,
  outcome: Uint8Array,
  { nowMs, timeMicros }: { nowMs: number; timeMicros: number },
): SlowRequest {
  const code = refusalCode(outcome)
  // One that came while its entry was applied already was not placed again.
  const placed = Math.max(sinceMs, placedAtMs)
  return {
    timeMicros,
    kind: 'commit',
    ...requestContent(request),
    totalMs: nowMs - sinceMs,
    phases: {
      queueMs: placed - sinceMs,
      commitMs: Math.max(0, fromMs - placed),
      applyMs: toMs - fromMs,
      replyMs: nowMs - toMs,
    },
    ...(code !== undefined && { code }),
  }
}
