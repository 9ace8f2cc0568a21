import { ByteWriter } from '../../../src/encoding/index.ts'
import {
  appendClientMessage,
  appendServerMessage,
  ClientFrameCursor,
  readClientMessage,
  readServerMessage,
  type ClientMessage,
  type ServerMessage,
} from '../../../src/model/index.ts'

/** What a frame may have, bytes. */
const MAX = 1 << 20

export function clientFrame(messages: readonly ClientMessage[]): Uint8Array {
  const out = new ByteWriter(16)
  for (const message of messages) appendClientMessage(out, message)
  return out.finish()
}

export function serverFrame(messages: readonly ServerMessage[]): Uint8Array {
  const out = new ByteWriter(16)
  for (const message of messages) appendServerMessage(out, message)
  return out.finish()
}

export function readClientFrame(frame: Uint8Array): ClientMessage[] {
  const cursor = new ClientFrameCursor()
  const messages: ClientMessage[] = []
  for (cursor.open(frame, MAX); cursor.next();) messages.push(readClientMessage(cursor))
  return messages
}

export function readServerFrame(frame: Uint8Array): ServerMessage[] {
  const cursor = new ClientFrameCursor()
  const messages: ServerMessage[] = []
  for (cursor.open(frame, MAX); cursor.next();) messages.push(readServerMessage(cursor))
  return messages
}
