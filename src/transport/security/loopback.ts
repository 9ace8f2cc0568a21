import { QuorateError } from '../../model/index.ts'

/** Whether a host name or address to bind or dial is this machine's own: `localhost`, 127.0.0.0/8, ::1. Names are not resolved. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '')
  if (name === 'localhost' || name === '::1') return true
  const plain = name.startsWith('::ffff:') ? name.slice('::ffff:'.length) : name
  const parts = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(plain)
  return parts !== null && parts.slice(1).every(part => Number(part) <= 255)
}

export interface BindSafety {
  /** The host to listen on. */
  readonly host: string
  /** Whether callers must prove who they are. */
  readonly hasAuth: boolean
  /** The operator has spelled out that everybody may do everything. */
  readonly insecure: boolean
  /** The door, for the message: "client", "admin", ... */
  readonly door?: string
}

/**
 * A door that is open to other machines needs authentication.
 * @throws QuorateError `configuration_invalid`
 */
export function requireSafeBind({ host, hasAuth, insecure, door = 'this' }: BindSafety): void {
  if (hasAuth || insecure || isLoopbackHost(host)) return
  throw new QuorateError(
    'configuration_invalid',
    `the ${door} port would be open to other machines (${host}) without authentication: configure tokens, bind 127.0.0.1, ` +
      'or spell out --insecure',
  )
}
