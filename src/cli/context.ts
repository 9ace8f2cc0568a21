import type { Command } from 'commander'
import { connect } from '../entry/client.ts'
import type { DialerTls } from '../entry/client.ts'
import { QuorateError } from '../model/index.ts'
import type { Database } from '../model/index.ts'
import type { Environment } from '../node/index.ts'
import { readTextFile } from '../platform/index.ts'
import type { Files } from '../platform/index.ts'
import { createOutput } from './output.ts'
import type { Output, OutputFormat, Terminal } from './output.ts'

/** What every command is given. */
export interface CommandContext {
  readonly environment: Environment
  readonly files: Files
  readonly terminal: Terminal
  /** In place of the nodes: a directory that is explored. */
  readonly database?: () => Promise<Database>
}

/** The options that all commands share. */
export interface GlobalOptions {
  endpoints: string
  adminEndpoints?: string
  output: OutputFormat
  token?: string
  tokenFile?: string
  tls?: boolean
  tlsCaFile?: string
  tlsCertFile?: string
  tlsKeyFile?: string
  timeoutMs: string
}

/** One run of a command that talks to a cluster. */
export interface Session {
  readonly output: Output
  /** host:port of client ports. */
  readonly endpoints: readonly string[]
  readonly adminEndpoints: readonly string[]
  readonly token: string | undefined
  readonly timeoutMs: number
  /** PEM texts, if the nodes have TLS. */
  readonly tls: DialerTls | undefined
  /** Opens the client on first use. */
  database(): Promise<Database>
  close(): Promise<void>
}

/** Wraps the action of a command that talks to a cluster. */
export type WithSession = (
  action: (session: Session, command: Command) => Promise<void>,
) => (...args: unknown[]) => Promise<void>

export async function openSession(context: CommandContext, command: Command): Promise<Session> {
  const options = command.optsWithGlobals<GlobalOptions>()
  const endpoints = parseEndpoints(options.endpoints)
  const adminEndpoints =
    options.adminEndpoints === undefined ? endpoints.map(adminEndpointOf) : parseEndpoints(options.adminEndpoints)
  const token = await tokenOf(context, options)
  const timeoutMs = positiveInteger('--timeout-ms', options.timeoutMs)
  const tls = await tlsOf(context, options)
  let opened: Promise<Database> | undefined
  return {
    output: createOutput(context.terminal, options.output),
    endpoints,
    adminEndpoints,
    token,
    timeoutMs,
    tls,
    database(): Promise<Database> {
      if (context.database !== undefined) return context.database()
      opened ??= connect(
        endpoints.map(endpoint => `${tls === undefined ? 'ws' : 'wss'}://${endpoint}`),
        { timeoutMs, ...(token !== undefined && { token }), ...(tls !== undefined && { tls }) },
      )
      return opened
    },
    async close(): Promise<void> {
      const database = await opened?.catch(() => undefined)
      await database?.close()
    },
  }
}

/** Where a command prints that needs no session. */
export function outputOf({ terminal }: CommandContext, command: Command): Output {
  return createOutput(terminal, command.optsWithGlobals<GlobalOptions>().output)
}

/** `h1:7400,h2:7400`; a bare port means that port on the host before it (127.0.0.1 at first): `127.0.0.1:7400,7401,7402`. */
export function parseEndpoints(text: string): string[] {
  let host = '127.0.0.1'
  return text.split(',').map(part => {
    const given = part.trim().replace(/^(ws|http)s?:\/\//, '')
    const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:]+):)?(\d{1,5})$/.exec(given) ?? /^([^:]+)$/.exec(given)
    if (match === null) throw new QuorateError('invalid_argument', `not an endpoint (host:port): '${part}'`)
    const port = match[2] ?? '7400'
    if (Number(port) > 65_535) throw new QuorateError('invalid_argument', `a port is at most 65535: '${part}'`)
    host = match[1] ?? host
    return `${host}:${port}`
  })
}

/** By convention the admin port lies 20 above the client port. */
function adminEndpointOf(endpoint: string): string {
  const at = endpoint.lastIndexOf(':')
  return `${endpoint.slice(0, at)}:${Number(endpoint.slice(at + 1)) + 20}`
}

/** Undefined without TLS: it is wanted where an endpoint is `wss:` or `https:`, or an option speaks of it. */
async function tlsOf({ files }: CommandContext, options: GlobalOptions): Promise<DialerTls | undefined> {
  const { tlsCaFile, tlsCertFile, tlsKeyFile, endpoints } = options
  const isNamed = /(^|,)\s*(wss|https):/.test(endpoints)
  if (options.tls !== true && !isNamed && (tlsCaFile ?? tlsCertFile ?? tlsKeyFile) === undefined) return undefined
  if ((tlsCertFile === undefined) !== (tlsKeyFile === undefined)) {
    throw new QuorateError('invalid_argument', '--tls-cert-file and --tls-key-file go together')
  }
  const read = async (path: string | undefined): Promise<string | undefined> => {
    const text = path === undefined ? undefined : await readTextFile(files, path)
    if (path !== undefined && text === undefined) throw new QuorateError('invalid_argument', `there is no file ${path}`)
    return text
  }
  const [authority, certificate, key] = [await read(tlsCaFile), await read(tlsCertFile), await read(tlsKeyFile)]
  return {
    ...(authority !== undefined && { authority }),
    ...(certificate !== undefined && { certificate }),
    ...(key !== undefined && { key }),
  }
}

async function tokenOf({ files, environment }: CommandContext, options: GlobalOptions): Promise<string | undefined> {
  // What is set and empty, as a composition of containers leaves it, is no token.
  const { token = environment.variables['QUORATE_TOKEN'] || undefined, tokenFile } = options
  if (tokenFile === undefined) return token
  const text = await readTextFile(files, tokenFile)
  if (text === undefined) throw new QuorateError('invalid_argument', `there is no file ${tokenFile}`)
  return text.trim()
}

/** @throws QuorateError `invalid_argument` */
export function positiveInteger(name: string, text: string): number {
  const value = Number(text)
  if (!/^\d{1,15}$/.test(text) || value < 1) {
    throw new QuorateError('invalid_argument', `${name} must be a whole number from 1, not '${text}'`)
  }
  return value
}
