import { decodeHandshakeFrame } from '../../transport/peer/index.ts'

/** The handshake of a peer link, with the HTTP upgrade before it, is shorter than this. */
const BYTES_MAX = 8_192
const HEAD_END = Buffer.from('\r\n\r\n')

/**
 * Finds out who dials a link between nodes, from the first bytes that the dialer sends: its hello (docs/formats/peer-handshake.md) names
 * it. Give it the bytes as they come; it answers the name once it is there. Where links have TLS nothing can be seen.
 */
export function peerNameReader(): (bytes: Uint8Array) => string | undefined {
  let seen = Buffer.alloc(0)
  let isOver = false
  return bytes => {
    if (isOver) return undefined
    seen = Buffer.concat([seen, bytes])
    const name = nameIn(seen)
    isOver = name !== undefined || seen.length > BYTES_MAX
    return name
  }
}

function nameIn(seen: Buffer): string | undefined {
  const headEnd = seen.indexOf(HEAD_END)
  const payload = headEnd < 0 ? undefined : firstMessage(seen.subarray(headEnd + HEAD_END.length))
  if (payload === undefined) return undefined
  try {
    const frame = decodeHandshakeFrame(payload)
    return frame.kind === 'hello' ? frame.identity.name : undefined
  } catch {
    return undefined
  }
}

/** The payload of a whole, short WebSocket message at the beginning of `bytes` (RFC 6455, 5.2). */
function firstMessage(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 2) return undefined
  const isMasked = (bytes[1]! & 0x80) !== 0
  const shortLength = bytes[1]! & 0x7f
  const lengthBytes = shortLength === 126 ? 2 : 0
  const start = 2 + lengthBytes + (isMasked ? 4 : 0)
  if (shortLength === 127 || bytes.length < start) return undefined
  const length = lengthBytes === 2 ? bytes.readUInt16BE(2) : shortLength
  if (bytes.length < start + length) return undefined
  const payload = Buffer.from(bytes.subarray(start, start + length))
  if (isMasked) for (let i = 0; i < length; i++) payload[i]! ^= bytes[start - 4 + (i & 3)]!
  return payload
}
