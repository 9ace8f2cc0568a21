import {
  bytesToJson,
  decodeConfiguration,
  decodeEnvelope,
  decodeRequestHeader,
  decodeSessionOpening,
  decodeTick,
  ENTRY_HEADER_BYTES,
  EntryKind,
  MalformedBytes,
  readEntryHeader,
} from '../encoding/index.ts'
import type { Mutation } from '../encoding/index.ts'
import { openOffline } from '../engine/index.ts'
import type { OfflineOptions } from '../engine/index.ts'
import type { Platform } from '../platform/index.ts'

/** An entry of a log, for people. */
export interface DescribedEntry {
  readonly seq: number
  readonly term: number
  readonly kind: keyof typeof EntryKind
  readonly leaderTimeMicros: number
  readonly bytes: number
  /** False = this directory alone cannot tell whether it is. */
  readonly isCommitted: boolean
  /** Who asked for what; with `isFull` everything that the entry says, values too. */
  readonly detail: unknown
}

export interface LogReadOptions extends Pick<OfflineOptions, 'keys'> {
  readonly fromSeq?: number
  readonly throughSeq?: number
  readonly isFull?: boolean
}

const READ_BYTES = 1 << 20
const KINDS = new Map(Object.entries(EntryKind).map(([name, kind]) => [kind, name as keyof typeof EntryKind]))

/**
 * The entries of a directory that nobody serves, also those that are not known to be committed, in order.
 * @throws as `openOffline`; QuorateError `seq_unavailable` where the log begins later
 */
export async function* readLog(
  platform: Platform,
  directory: string,
  { fromSeq, throughSeq = Number.MAX_SAFE_INTEGER, isFull = false, keys }: LogReadOptions = {},
): AsyncGenerator<DescribedEntry> {
  const state = await openOffline(directory, platform, keys && { keys })
  const { log, committedSeq } = state
  try {
    const last = Math.min(throughSeq, log.lastSeq)
    for (let next = fromSeq ?? log.base.seq + 1; next <= last;) {
      const { bytes, lastSeq } = await log.read(next, READ_BYTES)
      for (let at = 0; at < bytes.length && next <= last; next++) {
        const { kind, seq, term, leaderTimeMicros, length } = readEntryHeader(bytes, at, bytes.length)
        const payload = bytes.slice(at + ENTRY_HEADER_BYTES, at + length)
        const detail = detailOf(kind, payload, isFull)
        const isCommitted = seq <= committedSeq
        yield { seq, term, kind: KINDS.get(kind)!, leaderTimeMicros, bytes: length, isCommitted, detail }
        at += length
      }
      next = Math.max(next, lastSeq + 1)
    }
  } finally {
    await state.close()
  }
}

function detailOf(kind: EntryKind, payload: Uint8Array, isFull: boolean): unknown {
  try {
    switch (kind) {
      case EntryKind.noop:
        return {}
      case EntryKind.tick:
        return { keysMax: decodeTick(payload) }
      case EntryKind.openSession: {
        const { caller, kind: opened } = decodeSessionOpening(payload)
        return { caller, kind: opened }
      }
      case EntryKind.configuration: {
        const { historyId, members, voters, learners } = decodeConfiguration(payload)
        return { historyId, members: members.map(({ name, nodeId }) => `${nodeId}:${name}`), voters, learners }
      }
      case EntryKind.transaction:
        return transactionDetail(payload, isFull)
      default:
        return unknownKind(kind)
    }
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    return { malformed: error.message }
  }
}

function unknownKind(kind: never): unknown {
  return { kind }
}

function transactionDetail(payload: Uint8Array, isFull: boolean): unknown {
  const { envelope, caller, session, serial, copy } = decodeRequestHeader(payload)
  const decoded = decodeEnvelope(envelope)
  const header = { caller, session, serial, copy }
  if (isFull) return bytesToJson({ ...header, ...decoded })
  const { assertions = [], mutations } = decoded
  return { ...header, assertions: assertions.length, mutations: mutations.map(placeOf) }
}

/** `upsert p/app/t`, `kvSet p/app`: what and where, and no values. */
function placeOf(mutation: Mutation): string {
  const { type, project, scope, table, operation } = mutation as {
    type: string
    project?: string
    scope?: string
    table?: string
    operation?: { type: string; project?: string }
  }
  if (operation !== undefined) return `${operation.type} ${operation.project ?? ''}`.trimEnd()
  const place = [project, project === undefined ? undefined : (scope ?? 'app'), table]
  return `${type} ${place.filter(part => part !== undefined).join('/')}`.trimEnd()
}
