import { QuorateError } from '../model/index.ts'
import type { Clock, Dialer, Random, Timers } from '../platform/index.ts'

/** What a client needs from the machine. */
export interface ClientPorts {
  readonly dialer: Dialer
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

export interface ConnectOptions {
  /** Proves who the client is; absent = nobody, which a node on loopback may take for root. */
  token?: string
  /** Act as this caller on all connections; needs the permission `impersonate`. */
  caller?: string
  /** Time budget of a call that gives none, and of `connect` itself, ms. Default 30,000. */
  timeoutMs?: number
  /** Where reads without a view go. `leader` (default): the node that leads, or another while none is known. `any`: the less busy of two near nodes. */
  readFrom?: 'leader' | 'any'
  /** Also connect to members that the endpoints do not name. Default true. */
  discover?: boolean
  /** Name of this program in the logs of the nodes. */
  clientName?: string
  /** Without an answer for this long while requests wait, a connection is asked whether it lives, ms. Default 1,000. */
  pingBusyMs?: number
  /** The same while nothing waits, ms. Default 5,000. */
  pingIdleMs?: number
  /** A dial that takes longer has failed, ms. Default 2,000. */
  dialTimeoutMs?: number
  /** Nodes whose round trip is within this of the nearest are near, ms. Default 15. */
  latencyWindowMs?: number
}

export type ClientSettings = Required<Omit<ConnectOptions, 'token' | 'caller'>> & {
  token: string | undefined
  caller: string | undefined
}

const DEFAULTS = {
  timeoutMs: 30_000,
  readFrom: 'leader',
  discover: true,
  clientName: 'quorate',
  pingBusyMs: 1_000,
  pingIdleMs: 5_000,
  dialTimeoutMs: 2_000,
  latencyWindowMs: 15,
} as const

/** Absent and undefined are the same. @throws QuorateError `invalid_argument` */
export function clientSettings(options: ConnectOptions): ClientSettings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const settings: ClientSettings = { token: undefined, caller: undefined, ...DEFAULTS, ...given }
  for (const name of DURATIONS) {
    const ms = settings[name]
    if (typeof ms !== 'number' || !(ms > 0)) throw invalid(`${name} is a positive number, not ${String(ms)}`)
  }
  if (!(settings.latencyWindowMs >= 0)) throw invalid('latencyWindowMs is a number from 0')
  if (!READ_FROM.includes(settings.readFrom)) throw invalid(`readFrom is one of ${READ_FROM.join(', ')}`)
  return settings
}

const DURATIONS = ['timeoutMs', 'pingBusyMs', 'pingIdleMs', 'dialTimeoutMs'] as const
const READ_FROM: readonly string[] = ['leader', 'any'] satisfies ConnectOptions['readFrom'][]

function invalid(message: string, options?: ErrorOptions): QuorateError {
  return new QuorateError('invalid_argument', message, options)
}

/** Path of the WebSocket on a node's client port. */
const CONNECT_PATH = '/v1/connect'
const DEFAULT_PORT = '7400'
/** A URL tells no port that is the usual one of its scheme: 80 and 443 are ports like others here. */
const HAS_PORT = /^[a-z]+:\/\/[^/?#]*:\d+(?:[/?#]|$)/i

/**
 * The addresses of `endpoints`: one URL whose host part may list several (`ws://h1:7400,h2:7400`), or a list of such. Without a scheme
 * `ws:`, without a port 7400.
 * @throws QuorateError `invalid_argument`
 */
export function parseEndpoints(endpoints: string | readonly string[]): string[] {
  const urls: string[] = []
  const given: unknown = typeof endpoints === 'string' ? [endpoints] : endpoints
  if (!Array.isArray(given)) throw invalid('endpoints are a text or a list of texts')
  for (const text of given as readonly unknown[]) {
    if (typeof text !== 'string') throw invalid('an endpoint is a text')
    const scheme = /^[a-z]+:\/\//i.exec(text)?.[0] ?? 'ws://'
    const rest = text.startsWith(scheme) ? text.slice(scheme.length) : text
    for (const host of rest.split(',')) if (host.trim() !== '') urls.push(endpointUrl(host.trim(), scheme))
  }
  if (urls.length === 0) throw invalid('no endpoint is given')
  return [...new Set(urls)]
}

/** The URL of a node's WebSocket, from `host`, `host:port` or a URL. @throws QuorateError `invalid_argument` */
export function endpointUrl(address: string, scheme: string): string {
  const text = address.includes('://') ? address : scheme + address
  let url: URL
  try {
    url = new URL(text.replace(/^http/, 'ws'))
  } catch (cause) {
    throw invalid(`not an endpoint: ${JSON.stringify(address).slice(0, 100)}`, { cause })
  }
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw invalid(`endpoints are ws: or wss:, not ${url.protocol}`)
  }
  if (!HAS_PORT.test(text)) url.port = DEFAULT_PORT
  if (url.pathname === '/' || url.pathname === '') url.pathname = CONNECT_PATH
  return url.href
}
