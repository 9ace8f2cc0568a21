import {
  decodeOutcome,
  decodeRequestHeader,
  EnvelopeCursor,
  MalformedBytes,
  plainCommitSeq,
  readNamespaces,
} from '../encoding/index.ts'
import type { RequestSource, RunningRequest, SlowRequest } from '../model/index.ts'
import type { ApplyTiming, RequestTable, WaitingRequest } from './requests.ts'

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
  const { caller, project } = contentOf(request)
  return {
    id: `commit-${session}-${serial}`,
    door: 'node',
    kind: 'commit',
    caller,
    ...(project !== undefined && { project }),
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
  const { caller, project, mutations } = contentOf(request)
  const code = codeOf(outcome)
  // One that came while its entry was applied already was not placed again.
  const placed = Math.max(sinceMs, placedAtMs)
  return {
    timeMicros,
    kind: 'commit',
    caller,
    ...(project !== undefined && { project }),
    totalMs: nowMs - sinceMs,
    phases: {
      queueMs: placed - sinceMs,
      commitMs: Math.max(0, fromMs - placed),
      applyMs: toMs - fromMs,
      replyMs: nowMs - toMs,
    },
    mutations,
    ...(code !== undefined && { code }),
  }
}

function codeOf(outcome: Uint8Array): string | undefined {
  if (plainCommitSeq(outcome) !== undefined) return undefined
  const decoded = decodeOutcome(outcome)
  return decoded.status === 'refused' ? decoded.code : undefined
}

/** The project is that of the first name in the envelope. */
function contentOf(request: Uint8Array): { caller: string; project: string | undefined; mutations: number } {
  try {
    const { caller, envelope } = decodeRequestHeader(request)
    const cursor = new EnvelopeCursor()
    cursor.open(envelope, 0, envelope.length)
    return { caller, project: readNamespaces(cursor)[0]?.project, mutations: cursor.mutations }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    return { caller: '', project: undefined, mutations: 0 }
  }
}
