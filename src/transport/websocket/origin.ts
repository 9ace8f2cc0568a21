import type { IncomingMessage } from 'node:http'

/** Whether an IP address (as a socket gives it) is this machine's own: 127.0.0.0/8 and ::1, also as IPv4 in IPv6. */
export function isLoopbackAddress(address: string): boolean {
  const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
  return plain === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(plain)
}

/**
 * Whether a page was served by the server that it now connects to: its origin is the Host of the request. A caller on this
 * machine must also have used a loopback name, else a foreign name that was made to resolve to 127.0.0.1 would pass.
 */
export function isOwnOrigin(origin: string, request: IncomingMessage): boolean {
  const host = request.headers.host ?? ''
  let page: URL
  try {
    page = new URL(origin)
  } catch {
    return false // "null" and other opaque origins
  }
  if (page.host.toLowerCase() !== host.toLowerCase()) return false
  if (!isLoopbackAddress(request.socket.remoteAddress ?? '')) return true
  const name = page.hostname.replace(/^\[|\]$/g, '')
  return name === 'localhost' || isLoopbackAddress(name)
}
