import { MalformedBytes } from '../../encoding/index.ts'
import type { DatabaseStatus } from '../database.ts'
import type { Topology } from '../service.ts'
import {
  asMap,
  asText,
  bytesField,
  choiceField,
  field,
  integerField,
  listField,
  optionalField,
  textField,
  type PlainMap,
} from './fields.ts'
import { CLIENT_LIMITS, type ClientLimits, type HelloMessage, type WelcomeMessage } from './messages.ts'

/** Messages that are plain maps in both forms: MessagePack in binary frames, JSON in text frames. Unknown fields are ignored here. */

const NONCE_BYTES = 16
const U32_MAX = 0xffffffff
const HISTORY = /^[0-9a-f]{32}$/

export function helloFromPlain(value: unknown, requestId: number): HelloMessage {
  const map = asMap(value, 'hello')
  return {
    type: 'hello',
    requestId,
    protocol: integerField(map, 'protocol', U32_MAX),
    clientName: textField(map, 'clientName'),
    clientVersion: textField(map, 'clientVersion'),
    token: optionalField(map, 'token', textField),
    session: optionalField(map, 'session', sessionResumption),
    as: optionalField(map, 'as', textField),
  }
}

function sessionResumption(parent: PlainMap, name: string): { id: number; nonce: Uint8Array } {
  const map = asMap(field(parent, name), name)
  const nonce = bytesField(map, 'nonce')
  if (nonce.length !== NONCE_BYTES) throw new MalformedBytes(`nonce: not ${NONCE_BYTES} bytes`)
  return { id: integerField(map, 'id'), nonce }
}

export function welcomeFromPlain(value: unknown, requestId: number): WelcomeMessage {
  const map = asMap(value, 'welcome')
  return {
    type: 'welcome',
    requestId,
    protocol: integerField(map, 'protocol', U32_MAX),
    serverVersion: textField(map, 'serverVersion'),
    historyId: historyField(map, 'historyId'),
    nodeId: integerField(map, 'nodeId', U32_MAX),
    caller: textField(map, 'caller'),
    session: optionalField(map, 'session', sessionGrant),
    leaderTimeMicros: integerField(map, 'leaderTimeMicros'),
    topology: topologyFromPlain(field(map, 'topology')),
    maxFrameBytes: integerField(map, 'maxFrameBytes', U32_MAX),
    limits: limitsFromPlain(field(map, 'limits')),
  }
}

function sessionGrant(parent: PlainMap, name: string): { id: number; window: number; lifetimeMs: number } {
  const map = asMap(field(parent, name), name)
  return {
    id: integerField(map, 'id'),
    window: integerField(map, 'window'),
    lifetimeMs: integerField(map, 'lifetimeMs'),
  }
}

function limitsFromPlain(value: unknown): ClientLimits {
  const map = asMap(value, 'limits')
  const entries = CLIENT_LIMITS.map(name => [name, integerField(map, name)] as const)
  return Object.fromEntries(entries) as unknown as ClientLimits
}

function historyField(map: PlainMap, name: string): string {
  const text = textField(map, name)
  // A node that belongs to no group yet has no history.
  if (text !== '' && !HISTORY.test(text)) throw new MalformedBytes(`${name}: not 32 hexadecimal digits`)
  return text
}

const MEMBER_ROLES = ['voter', 'learner'] as const

export function topologyFromPlain(value: unknown): Topology {
  const map = asMap(value, 'topology')
  return {
    historyId: historyField(map, 'historyId'),
    term: integerField(map, 'term'),
    version: integerField(map, 'version'),
    leaderId: integerField(map, 'leaderId', U32_MAX),
    nodeId: integerField(map, 'nodeId', U32_MAX),
    members: listField(map, 'members').map(item => memberFromPlain(asMap(item, 'member'))),
  }
}

function memberFromPlain(map: PlainMap): Topology['members'][number] {
  return {
    nodeId: integerField(map, 'nodeId', U32_MAX),
    name: textField(map, 'name'),
    clientAddress: textField(map, 'clientAddress'),
    role: choiceField(map, 'role', MEMBER_ROLES),
  }
}

const DEPLOYMENTS = ['engine', 'replica', 'client'] as const
const ROLES = ['alone', 'leader', 'follower', 'candidate', 'suspect', 'unjoined', 'unknown'] as const

export function statusFromPlain(value: unknown): DatabaseStatus {
  const map = asMap(value, 'status')
  const leader = optionalField(map, 'leader', (parent, name) => asMap(field(parent, name), name))
  return {
    deployment: choiceField(map, 'deployment', DEPLOYMENTS),
    historyId: historyField(map, 'historyId'),
    appliedSeq: integerField(map, 'appliedSeq'),
    commitSeq: integerField(map, 'commitSeq'),
    term: integerField(map, 'term'),
    role: choiceField(map, 'role', ROLES),
    nodeId: integerField(map, 'nodeId', U32_MAX),
    leader:
      leader === undefined
        ? undefined
        : {
            nodeId: integerField(leader, 'nodeId', U32_MAX),
            name: textField(leader, 'name'),
            clientAddress: textField(leader, 'clientAddress'),
          },
    members: listField(map, 'members').map(item => {
      const member = asMap(item, 'member')
      return { ...memberFromPlain(member), peerAddress: asText(field(member, 'peerAddress'), 'peerAddress') }
    }),
  }
}
