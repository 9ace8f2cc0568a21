import { parseDocument } from 'yaml'
import { z } from 'zod'
import { QuorateError } from '../model/index.ts'
import { readTextFile } from '../platform/index.ts'
import type { Files } from '../platform/index.ts'
import { checkConfiguration, CONFIGURATION_SCHEMA } from './configuration.ts'
import type { Configuration } from './configuration.ts'

/** One setting as flags and variables know it. */
export interface Setting {
  /** The way to it in the YAML file: ['peer', 'port']. */
  readonly path: readonly string[]
  /** Without dashes in front: 'peer-port'. */
  readonly flag: string
  /** 'QUORATE_PEER_PORT' */
  readonly variable: string
  readonly type: 'integer' | 'boolean' | 'string' | 'members'
  readonly description: string
  readonly defaultValue: unknown
}

interface JsonSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly enum?: readonly unknown[]
  readonly description?: string
  readonly default?: unknown
}

/** Every setting of the schema, in its order. */
export const SETTINGS: readonly Setting[] = settingsOf(
  z.toJSONSchema(CONFIGURATION_SCHEMA, { io: 'input' }) as JsonSchema,
  [],
)

function settingsOf(schema: JsonSchema, path: readonly string[]): Setting[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const here = [...path, name]
    if (inner.properties !== undefined) return settingsOf(inner, here)
    const flag = here.join('-').replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
    return [
      {
        path: here,
        flag,
        variable: `QUORATE_${flag.replaceAll('-', '_').toUpperCase()}`,
        type: typeOf(inner),
        description: inner.description ?? '',
        defaultValue: inner.default,
      },
    ]
  })
}

function typeOf({ type, enum: values }: JsonSchema): Setting['type'] {
  if (type === 'array') return 'members'
  if (type === 'boolean') return 'boolean'
  if (type === 'integer' || type === 'number' || typeof values?.[0] === 'number') return 'integer'
  return 'string'
}

export interface ConfigurationSources {
  readonly files: Files
  /** A YAML file, if there is one. Relative paths inside it are meant from its directory. */
  readonly file?: string | undefined
  readonly variables: Readonly<Record<string, string | undefined>>
  /** Names of variables that begin as settings do and mean something to others. */
  readonly otherVariables?: ReadonlySet<string> | undefined
  /** Flags by name, as text (or true for a switch). */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>
}

/**
 * The configuration from file, variables and flags; each beats the one before it, setting by setting.
 * @throws QuorateError `configuration_invalid` naming file and line, variable or flag; also for `QUORATE_*` names that are no setting
 */
export async function loadConfiguration(sources: ConfigurationSources): Promise<Configuration> {
  const { files, file, variables, flags } = sources
  requireKnown(variables, sources.otherVariables)
  const raw = file === undefined ? {} : await readConfigurationFile(files, file)
  for (const setting of SETTINGS) {
    const variable = variables[setting.variable]
    if (variable !== undefined) place(raw, setting, variable, setting.variable)
    const flag = flags[setting.flag]
    if (flag !== undefined) place(raw, setting, String(flag), `--${setting.flag}`)
  }
  return checkConfiguration(raw, file ?? 'configuration')
}

function requireKnown(
  variables: ConfigurationSources['variables'],
  others: ReadonlySet<string> = new Set<string>(),
): void {
  const settings = new Set(SETTINGS.map(({ variable }) => variable))
  const unknown = Object.keys(variables).find(
    name => name.startsWith('QUORATE_') && !settings.has(name) && !others.has(name),
  )
  if (unknown === undefined) return
  throw new QuorateError('configuration_invalid', `${unknown}: there is no such setting`)
}

async function readConfigurationFile(files: Files, file: string): Promise<Record<string, unknown>> {
  const text = await readTextFile(files, file)
  if (text === undefined) throw new QuorateError('configuration_invalid', `${file}: there is no such file`)
  const document = parseDocument(text)
  const [problem] = document.errors
  if (problem !== undefined) throw new QuorateError('configuration_invalid', `${file}: ${problem.message}`)
  const value: unknown = toValue(document, file) ?? {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new QuorateError('configuration_invalid', `${file}: must be a mapping of settings`)
  }
  const raw = value as Record<string, unknown>
  resolvePaths(raw, ['dataDirectory', 'backupDirectory', 'secretFile', 'tokensFile'], file)
  for (const door of ['client', 'peer', 'admin']) {
    resolvePaths((raw[door] as { tls?: unknown } | undefined)?.tls, ['certFile', 'keyFile', 'caFile'], file)
  }
  for (const purpose of ['encryption', 'integrity']) resolvePaths(raw[purpose], ['keyFile'], file)
  return raw
}

/** Aliases of aliases can make much of little: the library stops at some point. */
function toValue(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS()
  } catch (cause) {
    throw new QuorateError('configuration_invalid', `${file}: ${String(cause)}`, { cause })
  }
}

/** Whatever has not its form is left for the check. */
function resolvePaths(raw: unknown, names: readonly string[], file: string): void {
  if (typeof raw !== 'object' || raw === null) return
  const settings = raw as Record<string, unknown>
  for (const name of names) {
    const path = settings[name]
    if (typeof path === 'string' && path !== '') settings[name] = fromDirectoryOf(file, path)
  }
}

function fromDirectoryOf(file: string, path: string): string {
  if (path.startsWith('/')) return path
  const directory = file.includes('/') ? file.slice(0, file.lastIndexOf('/') + 1) : './'
  return path === '.' ? directory.slice(0, -1) || '/' : `${directory}${path}`
}

function place(raw: Record<string, unknown>, setting: Setting, text: string, source: string): void {
  let target = raw
  for (const name of setting.path.slice(0, -1)) {
    const inner = target[name]
    const next: Record<string, unknown> =
      inner !== null && typeof inner === 'object' ? (inner as Record<string, unknown>) : {}
    target[name] = next
    target = next
  }
  target[setting.path.at(-1)!] = valueOf(setting, text, source)
}

function valueOf({ type }: Setting, text: string, source: string): unknown {
  if (type === 'string') return text
  if (type === 'members') return text.split(',').map(one => memberOf(one.trim(), source))
  if (type === 'boolean') {
    if (text === 'true' || text === '1') return true
    if (text === 'false' || text === '0') return false
    throw new QuorateError('configuration_invalid', `${source}: must be true or false, not '${text}'`)
  }
  if (!/^\d{1,16}$/.test(text)) {
    throw new QuorateError('configuration_invalid', `${source}: must be a whole number, not '${text}'`)
  }
  return Number(text)
}

/** NAME=PEER/CLIENT */
function memberOf(text: string, source: string): Record<string, string> {
  const match = /^([^=]+)=([^/]+)\/(.+)$/.exec(text)
  if (match === null) {
    throw new QuorateError('configuration_invalid', `${source}: '${text}' is not NAME=PEERHOST:PORT/CLIENTHOST:PORT`)
  }
  return { name: match[1]!, peer: match[2]!, client: match[3]! }
}
