import { ByteReader, ByteWriter, MalformedBytes } from './bytes.ts'

/** A member of the group as its configuration entries name it (docs/formats/configuration.md). */
export interface Member {
  /** Unique for ever within the history; never reused (M10). From 1. */
  nodeId: number
  /** The configured name, e.g. `n1` or the pod's name. */
  name: string
  /** Peer address, `host:port`. */
  peerAddress: string
  /** Where clients reach it, `host:port`. */
  clientAddress: string
  /** Identity of this copy of the disk, 32 hexadecimal digits. */
  directoryId: string
}

/**
 * A configuration of the group. Outside a joint configuration `outgoing` is empty. Voters, outgoing voters and learners are node
 * ids of `members`; voters and learners are disjoint.
 */
export interface Configuration {
  /** 32 hexadecimal digits, minted at creation, restore and recover. */
  historyId: string
  members: readonly Member[]
  voters: readonly number[]
  outgoing: readonly number[]
  learners: readonly number[]
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  learnersNext: readonly number[]
}

const HEX = /^[0-9a-f]{32}$/

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const writer = new ByteWriter(512)
  writer.u8(1)
  writeId(writer, configuration.historyId)
  writer.u16(configuration.members.length)
  for (const member of configuration.members) {
    writer.u32(member.nodeId)
    writer.text16(member.name)
    writer.text16(member.peerAddress)
    writer.text16(member.clientAddress)
    writeId(writer, member.directoryId)
  }
  for (const ids of [
    configuration.voters,
    configuration.outgoing,
    configuration.learners,
    configuration.learnersNext,
  ]) {
    writer.u16(ids.length)
    for (const id of ids) writer.u32(id)
  }
  return writer.finish()
}

export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== 1) throw new MalformedBytes('configuration format')
  const historyId = readId(reader)
  const members: Member[] = []
  for (let i = reader.u16(); i > 0; i--) {
    const nodeId = reader.u32()
    members.push({
      nodeId,
      name: reader.text16(),
      peerAddress: reader.text16(),
      clientAddress: reader.text16(),
      directoryId: readId(reader),
    })
  }
  const ids = (): number[] => Array.from({ length: reader.u16() }, () => reader.u32())
  const configuration = { historyId, members, voters: ids(), outgoing: ids(), learners: ids(), learnersNext: ids() }
  reader.expectEnd()
  return configuration
}

function writeId(writer: ByteWriter, id: string): void {
  if (!HEX.test(id)) throw new RangeError(`identity ${id}: 32 hexadecimal digits`)
  for (let i = 0; i < 32; i += 2) writer.u8(Number.parseInt(id.slice(i, i + 2), 16))
}

function readId(reader: ByteReader): string {
  return bytesToHex(reader.raw(16))
}

export function bytesToHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

/** The bytes that an even number of hexadecimal digits stand for. */
export function hexToBytes(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))
}
