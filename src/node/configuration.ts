import { z } from 'zod'
import { QuorateError, SLOW_THRESHOLD_MS } from '../model/index.ts'
import { DEFAULT_LAG_LIMITS } from '../admin/index.ts'
import type { LagLimits } from '../admin/index.ts'
import { DEFAULT_GATEWAY_LIMITS } from '../transport/gateway/index.ts'
import { DEFAULT_STORAGE } from './open-replica.ts'

const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):(\d{1,5})$/

const address = z.string().refine(text => ADDRESS.test(text) && Number(ADDRESS.exec(text)![2]) <= 65_535, {
  error: 'must be host:port',
})
const whole = (min: number, max: number): z.ZodInt => z.int().min(min).max(max)
const port = whole(0, 65_535)

const pemFile = (what: string): z.ZodString => z.string().min(1).describe(what)

const tls = (whose: string, authority: string) =>
  z
    .strictObject({
      certFile: pemFile(`Certificate of this node for ${whose}, PEM; gives the port TLS`),
      keyFile: pemFile('Its private key, PEM'),
      caFile: pemFile(authority).optional(),
    })
    .optional()

const peerTls = z
  .strictObject({
    certFile: pemFile('Certificate of this node for its peers, PEM; gives the links between nodes TLS'),
    keyFile: pemFile('Its private key, PEM'),
    caFile: pemFile('Authority of the certificates of all members, PEM: each shows its own, whoever dials'),
  })
  .optional()

const CALLERS_CA = 'Authority whose certificate every caller must show, PEM; without it callers need none'

const place = (defaultPort: number, whose: string) => ({
  host: z.string().min(1).default('127.0.0.1').describe(`Address on which ${whose} are served`),
  port: port.default(defaultPort).describe(`Port for ${whose}; 0 takes a free one`),
})

const storage = z
  .strictObject({
    pageBytes: z
      .literal([4096, 8192, 16384, 32768])
      .default(DEFAULT_STORAGE.pageBytes)
      .describe('Bytes of a page; fixed when the directory is created'),
    budgetBytes: whole(1 << 20, 2 ** 40)
      .default(DEFAULT_STORAGE.budgetBytes)
      .describe('Memory for pages, large values, the catalog and copies of sessions'),
    segmentBytes: whole(1 << 16, 2 ** 30)
      .default(DEFAULT_STORAGE.segmentBytes)
      .describe('Bytes of a segment of the log; the first ones are smaller, from 1 MiB on'),
    lane: z
      .literal(['worker', 'inline'])
      .default(DEFAULT_STORAGE.lane)
      .describe('Where the log is written: in a thread of its own, or on the main thread'),
    checkpointLogBytes: whole(1 << 16, 2 ** 40)
      .default(DEFAULT_STORAGE.checkpointLogBytes)
      .describe(
        'A checkpoint is due when the log has grown by this much; the first after a start comes earlier on some members, so that they take turns',
      ),
    checkpointAgeMs: whole(100, 86_400_000)
      .default(DEFAULT_STORAGE.checkpointAgeMs)
      .describe('A checkpoint is due when the last one is this old, ms'),
  })
  .prefault({})

const keys = (what: string) => z.strictObject({ keyFile: z.string().min(1).describe(what).optional() }).prefault({})

const member = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, { error: 'must be 1 to 64 of A-Z a-z 0-9 _ . -' }),
  peer: address.describe('host:port at which other members reach it'),
  client: address.describe('host:port at which clients reach it'),
})

/**
 * The configuration of one node. This schema is the only place that knows the settings: the YAML file, the flags, the variables,
 * `--print-config` and the help text are all derived from it.
 */
export const CONFIGURATION_SCHEMA: z.ZodType<Configuration> = z.strictObject({
  name: z.string().default('').describe('Name of this node, one of the members; default: the only member'),
  dataDirectory: z.string().min(1).default('./quorate-data').describe('Directory of log, pages and identity'),
  backupDirectory: z
    .string()
    .min(1)
    .optional()
    .describe('Directory of backups that this node makes for itself; default: backups/ in its data directory'),
  members: z
    .array(member)
    .default([])
    .describe('The same ordered list on all nodes; as a flag NAME=PEER/CLIENT,... Default: this node alone'),
  client: z
    .strictObject({
      ...place(7400, 'clients'),
      origins: z
        .string()
        .default('')
        .describe(
          'Origins of web pages that may connect, separated by commas: https://app.example; pages of this port always may',
        ),
      tls: tls('clients', CALLERS_CA),
    })
    .prefault({}),
  peer: z.strictObject({ ...place(7410, 'peers'), tls: peerTls }).prefault({}),
  admin: z
    .strictObject({
      ...place(7420, 'probes, metrics and administration'),
      tls: tls('operators, probes and scrapers', CALLERS_CA),
    })
    .prefault({}),
  secretFile: z
    .string()
    .min(1, { error: 'must not be empty' })
    .optional()
    .describe('File with the secret that the members of the cluster share'),
  tokensFile: z
    .string()
    .min(1, { error: 'must not be empty' })
    .optional()
    .describe('File with the bearer tokens of clients and operators'),
  encryption: keys(
    'File with the keys of the data directory, one a line, the present one first; decides at its creation that it is encrypted',
  ),
  integrity: keys('File with the keys that the data directory is signed with, as before'),
  insecure: z.boolean().default(false).describe('Allows public addresses without secret and tokens'),
  storage,
  readiness: z
    .strictObject({
      lagEntries: whole(1, 1_000_000_000)
        .default(DEFAULT_LAG_LIMITS.lagEntries)
        .describe('Ready members have at most this many committed entries not applied'),
      lagGraceMs: whole(0, 3_600_000)
        .default(DEFAULT_LAG_LIMITS.lagGraceMs)
        .describe('For how long there may be more of them, ms'),
    })
    .prefault({}),
  slowRequests: z
    .strictObject({
      thresholdMs: whole(0, 3_600_000)
        .default(SLOW_THRESHOLD_MS)
        .describe('Requests that take at least so long are kept and said in the log, ms; an operator can change it'),
    })
    .prefault({}),
  views: z
    .strictObject({
      perConnectionMax: whole(1, 100_000)
        .default(DEFAULT_GATEWAY_LIMITS.viewsMax)
        .describe('Views that one connection may have open, those of transactions and long scans with them'),
      openMax: whole(1, 1_000_000)
        .default(DEFAULT_GATEWAY_LIMITS.viewsOpenMax)
        .describe('Views that all connections together may have open'),
      idleMs: whole(1_000, 3_600_000)
        .default(DEFAULT_GATEWAY_LIMITS.viewIdleMs)
        .describe('A view that is not read for so long is closed, ms'),
      maxAgeMs: whole(1_000, 604_800_000)
        .default(DEFAULT_GATEWAY_LIMITS.viewAgeMs)
        .describe(
          'A view that has been open for so long is closed, ms; clients go on where the state can still be reached',
        ),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z
        .literal(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
        .default('info')
        .describe('The least severe lines written to standard error'),
    })
    .prefault({}),
  drainSeconds: whole(0, 3600).default(10).describe('Longest time for an orderly stop'),
})

export interface Endpoint {
  host: string
  port: number
}

/** Paths of PEM files. */
export interface TlsFiles {
  certFile: string
  keyFile: string
  caFile?: string | undefined
}

/** Where a node listens. */
export interface ListenSettings extends Endpoint {
  tls?: TlsFiles | undefined
}

export interface ConfiguredMember {
  name: string
  /** host:port */
  peer: string
  /** host:port */
  client: string
}

/** What a node is told. Everything that members must agree on is not here but in the replicated settings. */
export interface Configuration {
  name: string
  dataDirectory: string
  backupDirectory?: string | undefined
  members: ConfiguredMember[]
  client: ListenSettings & { origins: string }
  peer: ListenSettings
  admin: ListenSettings
  secretFile?: string | undefined
  tokensFile?: string | undefined
  /** Keys of the data directory (docs/operate/encryption.md). */
  encryption: { keyFile?: string | undefined }
  integrity: { keyFile?: string | undefined }
  insecure: boolean
  storage: {
    pageBytes: 4096 | 8192 | 16384 | 32768
    budgetBytes: number
    segmentBytes: number
    lane: 'worker' | 'inline'
    checkpointLogBytes: number
    checkpointAgeMs: number
  }
  readiness: LagLimits
  slowRequests: { thresholdMs: number }
  views: { perConnectionMax: number; openMax: number; idleMs: number; maxAgeMs: number }
  log: { level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent' }
  drainSeconds: number
}

/**
 * Checks raw settings and fills in the defaults; a node without members is a cluster of one.
 * @throws QuorateError `configuration_invalid` naming every setting that does not fit
 */
export function checkConfiguration(raw: unknown, source: string): Configuration {
  const parsed = CONFIGURATION_SCHEMA.safeParse(raw ?? {})
  if (!parsed.success) {
    const problems = parsed.error.issues.map(issue => {
      const path = issue.path.map(String).join('.')
      return path === '' ? issue.message : `${path}: ${issue.message}`
    })
    throw invalid(source, problems.join('; '))
  }
  const configuration = parsed.data
  if (configuration.members.length === 0) {
    const { peer, client } = configuration
    const name = configuration.name === '' ? 'n0' : configuration.name
    const alone = { name, peer: `${peer.host}:${peer.port}`, client: `${client.host}:${client.port}` }
    return { ...configuration, name, members: [alone] }
  }
  return requireMember(configuration, source)
}

function requireMember(configuration: Configuration, source: string): Configuration {
  const { members } = configuration
  const names = members.map(({ name }) => name)
  if (new Set(names).size < names.length) throw invalid(source, 'members: a name stands twice')
  const addresses = members.flatMap(({ peer, client }) => [peer, client]).filter(each => !each.endsWith(':0'))
  const twice = addresses.find((each, i) => addresses.indexOf(each) < i)
  if (twice !== undefined) throw invalid(source, `members: the address ${twice} stands twice`)
  const name = configuration.name === '' && names.length === 1 ? names[0]! : configuration.name
  if (!names.includes(name)) {
    throw invalid(source, `name: '${name}' is not among the members ${names.join(', ')}`)
  }
  return { ...configuration, name }
}

function invalid(source: string, problems: string): QuorateError {
  return new QuorateError('configuration_invalid', `${source}: ${problems}`)
}
