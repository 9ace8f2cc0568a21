import {
  encodeConfiguration,
  encodeEntry,
  encodeRequest,
  EntryKind,
  type Configuration,
} from '../../../src/encoding/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import { toCoreConfiguration, type OutgoingPeerMessage } from '../../../src/raft/wire/index.ts'

/** At least one message of every type. */

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

export const configuration: Configuration = {
  historyId: '00112233445566778899aabbccddeeff',
  members: [
    {
      nodeId: 1,
      name: 'n1',
      peerAddress: 'h1:7410',
      clientAddress: 'h1:7400',
      directoryId: 'ffeeddccbbaa99887766554433221100',
    },
    {
      nodeId: 2,
      name: 'n2',
      peerAddress: 'h2:7410',
      clientAddress: 'h2:7400',
      directoryId: '0123456789abcdef0123456789abcdef',
    },
  ],
  voters: [1],
  outgoing: [],
  learners: [2],
  learnersNext: [],
}

export interface SampleEntry {
  seq: number
  term: number
  kind: EntryKind
  payload: Uint8Array
}

export function encodeEntries(entries: readonly SampleEntry[]): Uint8Array {
  return Buffer.concat(
    entries.map(({ payload, ...header }) => encodeEntry({ ...header, leaderTimeMicros: header.seq * 1000 }, payload)),
  )
}

const entries = encodeEntries([
  { seq: 11, term: 4, kind: EntryKind.transaction, payload: bytes(1, 2, 3) },
  { seq: 12, term: 4, kind: EntryKind.configuration, payload: encodeConfiguration(configuration) },
  { seq: 13, term: 5, kind: EntryKind.noop, payload: bytes() },
])

const request = encodeRequest(
  { caller: 'ann', session: 9, serial: 2, acknowledgedThrough: 1, notAfterMicros: 77, copy: 0 },
  bytes(1),
)
const header = { from: 1, to: 2, term: 5 } as const
const last = { term: 4, seq: 13 }
const digest = { seq: 4096, chain: 0xfffffffe, s: '0123456789abcdef' }
const transfer = { ...header, transferId: 2 ** 40 }
const append = {
  ...header,
  type: 'appendRequest',
  prevSeq: 10,
  prevTerm: 3,
  prevChain: 0xdeadbeef,
  commit: 9,
  streamId: 6,
  sentAtMs: 123.5,
} as const

export const samples: OutgoingPeerMessage[] = [
  { type: 'preVoteRequest', ...header, campaignTerm: 6, campaignId: 0xffffffff, last },
  {
    type: 'preVoteResponse',
    ...header,
    campaignTerm: 6,
    campaignId: 7,
    isGranted: true,
    reason: 'granted',
    recoveryId: 0,
    intactEnd: last,
  },
  {
    type: 'preVoteResponse',
    ...header,
    campaignTerm: 6,
    campaignId: 7,
    isGranted: false,
    reason: 'unconfigured',
    recoveryId: 8,
    intactEnd: null,
  },
  {
    type: 'voteRequest',
    ...header,
    campaignId: 7,
    last,
    isTransfer: true,
    answers: [
      { voter: 1, end: last, recoveryId: 0 },
      { voter: 3, end: { term: 1, seq: 2 }, recoveryId: 5 },
    ],
  },
  { type: 'voteRequest', ...header, campaignId: 7, last, isTransfer: false, answers: [] },
  { type: 'voteResponse', ...header, campaignTerm: 6, campaignId: 7, isGranted: false, reason: 'lease' },
  {
    ...append,
    entries: { firstSeq: 11, lastSeq: 13, byteLength: entries.length, bytes: entries },
    recovery: { recoveryId: 3, throughSeq: 12 },
  },
  { ...append, entries: null, recovery: null },
  {
    type: 'appendResponse',
    ...header,
    isAccepted: true,
    matchSeq: 13,
    rejectedSeq: 0,
    hint: last,
    streamId: 6,
    sentAtMs: 123.5,
    recoveryId: 1,
  },
  { type: 'heartbeatRequest', ...header, commit: 9, readSeq: 3, sentAtMs: 0.25, wallMicros: 1.79e15, digest },
  { type: 'heartbeatRequest', ...header, commit: 9, readSeq: 0, sentAtMs: 1, wallMicros: -5, digest: null },
  {
    type: 'heartbeatResponse',
    ...header,
    readSeq: 3,
    sentAtMs: 0.25,
    syncedSeq: 13,
    diskStallMs: 0.5,
    wallMicros: 1.79e15,
    digest,
    isUnfitToLead: true,
  },
  {
    type: 'heartbeatResponse',
    ...header,
    readSeq: 3,
    sentAtMs: 0.25,
    syncedSeq: 13,
    diskStallMs: 0,
    wallMicros: 1.79e15,
    digest: null,
    isUnfitToLead: false,
  },
  { type: 'timeoutNow', ...header, last },
  { type: 'readIndexRequest', ...header, reqId: 2 ** 52 },
  { type: 'readIndexResponse', ...header, reqId: 1, readSeq: 13 },
  { type: 'readIndexResponse', ...header, reqId: 1, readSeq: null },
  {
    type: 'snapshotOffer',
    ...header,
    meta: { seq: 13, term: 4, chain: 1, configuration: toCoreConfiguration(configuration) },
  },
  {
    type: 'forward',
    ...header,
    requests: [
      { forwardId: 1, request },
      { forwardId: 2, request: bytes() },
    ],
  },
  {
    type: 'openSession',
    ...header,
    forwardId: 3,
    opening: { caller: 'ann', kind: 'node', nonce: new Uint8Array(16).fill(7), notAfterMicros: 5 },
  },
  {
    type: 'forwardResults',
    ...header,
    results: [
      { forwardId: 1, outcome: bytes(1, 0, 0, 0) },
      {
        forwardId: 2,
        error: new QuorateError('not_leader', 'ask n3', {
          retryable: true,
          applied: 'unknown',
          leader: { nodeId: 3, clientAddress: 'h3:7400', term: 6 },
        }),
      },
    ],
  },
  {
    type: 'bootstrap',
    ...header,
    entry: encodeEntry(
      { kind: EntryKind.configuration, seq: 1, term: 1, leaderTimeMicros: 0 },
      encodeConfiguration(configuration),
    ),
  },
  { type: 'membershipNotice', ...header, state: 'removed', configurationSeq: 12 },
  { type: 'membershipNotice', ...header, state: 'unjoined', configurationSeq: 0 },
  { type: 'snapshotWanted', ...header, seq: 13 },
  { type: 'snapshotRequest', ...transfer, seq: 13, base: undefined },
  {
    type: 'snapshotRequest',
    ...transfer,
    seq: 13,
    base: { seq: 4096, sum: { lo: 1, hi: 0xffffffff }, effectChain: 2 },
  },
  {
    type: 'snapshotManifest',
    ...transfer,
    manifest: {
      seq: 13,
      term: 4,
      chain: 1,
      effectChain: 2,
      sum: { lo: 3, hi: 4 },
      leaderTimeMicros: 5,
      featureLevel: 1,
      historyId: configuration.historyId,
      configuration: encodeConfiguration(configuration),
      sinceSeq: 0,
    },
  },
  { type: 'snapshotResume', ...transfer, manifestHash: new Uint8Array(32).fill(9), afterFence: bytes(1, 2) },
  { type: 'snapshotResume', ...transfer, manifestHash: new Uint8Array(32), afterFence: undefined },
  { type: 'snapshotChunk', ...transfer, number: 3, fence: bytes(9, 9), bytes: bytes(1, 2, 3, 4) },
  { type: 'snapshotChunkAck', ...transfer, number: 3 },
  { type: 'snapshotEnd', ...transfer, chunks: 4 },
  { type: 'snapshotInstalled', ...transfer, seq: 13 },
  { type: 'snapshotFailed', ...transfer, isMismatch: false, error: new QuorateError('out_of_space', 'full') },
  { type: 'snapshotFailed', ...transfer, isMismatch: true, error: new QuorateError('unavailable', 'S is 1') },
]
