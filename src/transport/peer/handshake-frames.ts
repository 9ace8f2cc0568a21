import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { ByteReader, ByteWriter, MalformedBytes } from '../../encoding/index.ts'
import type { PeerChannel, PeerIdentity, PeerRefusal } from '../../model/index.ts'

/** The frames of the handshake (docs/formats/peer-handshake.md). The two first fields of a frame never change between versions. */
export const HANDSHAKE_VERSION = 1
export const NONCE_BYTES = 32
/** No frame of the handshake is longer. */
export const HANDSHAKE_FRAME_BYTES_MAX = 2_048

/** What a link may bring before it is open: two frames of the handshake and their framing, with room to spare. */
export const STRANGER_BYTES_MAX: number = 4 * HANDSHAKE_FRAME_BYTES_MAX

const MAGIC = 0x5051 // "QP"
const HASH_BYTES = 32
const NAME_BYTES_MAX = 255
const DETAIL_CHARACTERS_MAX = 200
const PROOF_CONTEXT = 'quorate peer handshake 1'

const KIND_HELLO = 1
const KIND_PROOF = 2
const KIND_WELCOME = 3
const KIND_REFUSAL = 4

/** Who speaks: the side that dialled or the side that was dialled. Part of what a proof covers, so none can be sent back. */
export type HandshakeRole = 'dialer' | 'acceptor'

const ROLES: readonly HandshakeRole[] = ['dialer', 'acceptor']
const CHANNELS: readonly PeerChannel[] = ['control', 'log', 'snapshot']
const REFUSALS: readonly PeerRefusal[] = ['version', 'secret', 'configuration', 'history', 'directory', 'unknown_name']

export interface HelloFrame {
  readonly kind: 'hello'
  readonly role: HandshakeRole
  readonly channel: PeerChannel
  readonly identity: PeerIdentity
  /** SHA-256 of the ordered members, as `membersHash` gives it. */
  readonly membersHash: Uint8Array
  readonly nonce: Uint8Array
}

export type HandshakeFrame =
  | HelloFrame
  /** The dialer's proof, then the acceptor's, which also opens the link. */
  | { readonly kind: 'proof' | 'welcome'; readonly proof: Uint8Array }
  | { readonly kind: 'refusal'; readonly reason: PeerRefusal; readonly detail: string }
  /** Of another version: its body is not looked at. */
  | { readonly kind: 'foreign'; readonly version: number }

export function encodeHandshakeFrame(frame: Exclude<HandshakeFrame, { kind: 'foreign' }>): Uint8Array {
  const writer = new ByteWriter()
  writer.u16(MAGIC)
  writer.u8(HANDSHAKE_VERSION)
  switch (frame.kind) {
    case 'hello':
      writer.u8(KIND_HELLO)
      writer.u8(ROLES.indexOf(frame.role) + 1)
      writer.u8(CHANNELS.indexOf(frame.channel) + 1)
      writer.u16(0)
      writer.u32(frame.identity.nodeId)
      writer.raw(frame.membersHash)
      writer.raw(frame.nonce)
      writer.text16(frame.identity.name)
      writer.text16(frame.identity.directoryId)
      writer.text16(frame.identity.historyId ?? '')
      break
    case 'proof':
    case 'welcome':
      writer.u8(frame.kind === 'proof' ? KIND_PROOF : KIND_WELCOME)
      writer.raw(frame.proof)
      break
    case 'refusal':
      writer.u8(KIND_REFUSAL)
      writer.u8(REFUSALS.indexOf(frame.reason) + 1)
      writer.text16(frame.detail.slice(0, DETAIL_CHARACTERS_MAX))
      break
    default:
      return frame satisfies never
  }
  return writer.finish()
}

/** @throws MalformedBytes for everything that is no frame of a handshake */
export function decodeHandshakeFrame(bytes: Uint8Array): HandshakeFrame {
  if (bytes.length > HANDSHAKE_FRAME_BYTES_MAX) throw new MalformedBytes(`handshake frame of ${bytes.length} bytes`)
  const reader = new ByteReader(bytes)
  if (reader.u16() !== MAGIC) throw new MalformedBytes('no frame of a peer handshake')
  const version = reader.u8()
  if (version !== HANDSHAKE_VERSION) return { kind: 'foreign', version }
  const frame = decodeBody(reader, reader.u8())
  reader.expectEnd()
  return frame
}

function decodeBody(reader: ByteReader, kind: number): HandshakeFrame {
  switch (kind) {
    case KIND_HELLO:
      return decodeHello(reader)
    case KIND_PROOF:
      return { kind: 'proof', proof: reader.raw(HASH_BYTES).slice() }
    case KIND_WELCOME:
      return { kind: 'welcome', proof: reader.raw(HASH_BYTES).slice() }
    case KIND_REFUSAL:
      return { kind: 'refusal', reason: oneOf(REFUSALS, reader.u8()), detail: printable(reader.text16()) }
    default:
      throw new MalformedBytes(`unknown handshake frame ${kind}`)
  }
}

function decodeHello(reader: ByteReader): HelloFrame {
  const role = oneOf(ROLES, reader.u8())
  const channel = oneOf(CHANNELS, reader.u8())
  if (reader.u16() !== 0) throw new MalformedBytes('reserved field is set')
  const nodeId = reader.u32()
  const membersHash = reader.raw(HASH_BYTES).slice()
  const nonce = reader.raw(NONCE_BYTES).slice()
  const name = shortText(reader)
  const directoryId = shortText(reader)
  const historyId = shortText(reader)
  const identity = { name, nodeId, directoryId, historyId: historyId === '' ? undefined : historyId }
  return { kind: 'hello', role, channel, identity, membersHash, nonce }
}

function oneOf<T>(values: readonly T[], code: number): T {
  const value = values[code - 1]
  if (value === undefined) throw new MalformedBytes(`unknown code ${code}`)
  return value
}

function shortText(reader: ByteReader): string {
  const text = reader.text16()
  if (text.length > NAME_BYTES_MAX) throw new MalformedBytes('text is too long')
  return text
}

/** Text of somebody who has proved nothing, fit for a log line. */
export function printable(text: string): string {
  return text.slice(0, DETAIL_CHARACTERS_MAX).replace(/[^\x20-\x7e]/g, '?')
}

/** SHA-256 over each member's name and address in order: equal only if both sides are configured alike. */
export function membersHash(members: readonly { name: string; address: string }[]): Uint8Array {
  const writer = new ByteWriter()
  for (const { name, address } of members) {
    writer.text16(name)
    writer.text16(address)
  }
  return createHash('sha256').update(writer.view()).digest()
}

/**
 * HMAC-SHA-256 under the cluster secret over the speaker's role and both hellos as they were sent: roles, names, history ids,
 * node and directory ids, channel and both nonces. The lengths before the hellos keep one from reaching into the other.
 */
export function proofOf(secret: Uint8Array, speaker: HandshakeRole, hellos: HelloBytes): Uint8Array {
  const writer = new ByteWriter(1_024)
  writer.text16(PROOF_CONTEXT)
  writer.u8(ROLES.indexOf(speaker) + 1)
  writer.bytes32(hellos.dialer)
  writer.bytes32(hellos.acceptor)
  return createHmac('sha256', secret).update(writer.view()).digest()
}

export interface HelloBytes {
  readonly dialer: Uint8Array
  readonly acceptor: Uint8Array
}

/** Compares in a time that does not depend on where they differ. */
export function isSameProof(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}
