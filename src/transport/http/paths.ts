import { QuorateError, requireName } from '../../model/index.ts'

const PREFIX = '/v1/kv/'
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i

/** What `/v1/kv/{project}/{scope}[/{key}]` names. */
export interface KeyPath {
  project: string
  scope: string
  /** Any bytes; undefined = the path has no key: the scope itself. */
  key: Uint8Array | undefined
}

/** The path and the query of a request target, as they came. */
export function splitTarget(target: string): { path: string; query: string } {
  const at = target.indexOf('?')
  return at < 0 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at + 1) }
}

/**
 * The key is everything after the scope: slashes in it need no escape. `.` and `..` as a segment are refused, for whatever lies between
 * client and server may have resolved them, and then another key would be meant.
 * @throws QuorateError `malformed_request`, `invalid_name`
 */
export function parseKeyPath(path: string): KeyPath {
  if (!path.startsWith(PREFIX)) throw new QuorateError('not_found', 'no such path')
  if (DOT_SEGMENT.test(path)) {
    throw new QuorateError('malformed_request', 'a path with . or .. as a segment: use POST /v1/commit for such keys')
  }
  const rest = path.slice(PREFIX.length)
  const [project = '', scope = ''] = rest.split('/', 2).map(decodeName)
  requireName('project', project)
  requireName('scope', scope)
  const keyAt = rest.indexOf('/', rest.indexOf('/') + 1)
  return { project, scope, key: keyAt < 0 ? undefined : percentDecode(rest.slice(keyAt + 1)) }
}

/** The project of `/v1/kv/{project}`; undefined for a path that names more. @throws QuorateError as `parseKeyPath` */
export function parseProjectPath(path: string): string | undefined {
  if (!path.startsWith(PREFIX) || path.includes('/', PREFIX.length) || path.length === PREFIX.length) return undefined
  const project = decodeName(path.slice(PREFIX.length))
  requireName('project', project)
  return project
}

function decodeName(text: string): string {
  return new TextDecoder().decode(percentDecode(text))
}

/** The bytes that a percent-encoded text stands for. @throws QuorateError `malformed_request` */
export function percentDecode(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f)
      throw new QuorateError('malformed_request', 'a URL has ASCII characters only: percent-encode others')
    if (unit !== 0x25) {
      bytes[length++] = unit
      continue
    }
    const hex = text.slice(i + 1, i + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) throw new QuorateError('malformed_request', 'a % without two hexadecimal digits')
    bytes[length++] = Number.parseInt(hex, 16)
    i += 2
  }
  return bytes.slice(0, length)
}

const USAGE_PREFIX = '/v1/usage/'

/** What `/v1/usage[/{project}]` names. @throws QuorateError `not_found` for a path of another form */
export function usageName(path: string): string | undefined {
  if (!path.startsWith(USAGE_PREFIX)) return undefined
  const name = path.slice(USAGE_PREFIX.length)
  if (name.includes('/')) throw new QuorateError('not_found', 'no such path')
  return decodeName(name)
}

const SCOPES_PREFIX = '/v1/scopes/'

/** What `/v1/scopes/{project}` names. @throws QuorateError `not_found` for a path of another form */
export function scopesProject(path: string): string {
  const name = path.startsWith(SCOPES_PREFIX) ? path.slice(SCOPES_PREFIX.length) : ''
  if (name === '' || name.includes('/')) throw new QuorateError('not_found', 'no such path')
  return decodeName(name)
}

const EVENTS_PREFIX = '/v1/events/'

/** What `/v1/events/{project}[/{scope}[/summary]]` names. @throws QuorateError `not_found` for a path of another form */
export function eventNames(path: string): { project: string; scope: string | undefined; isSummary: boolean } {
  const names = path.startsWith(EVENTS_PREFIX) ? path.slice(EVENTS_PREFIX.length).split('/').map(decodeName) : []
  const [project, scope, view] = names
  if (project === undefined || names.length > 3 || (view !== undefined && view !== 'summary')) {
    throw new QuorateError('not_found', 'no such path')
  }
  return { project, scope, isSummary: view !== undefined }
}

const COMMIT_PATH = /^\/v1\/commits\/(\d{1,15})\/events$/

/** The seq of `/v1/commits/{seq}/events`. @throws QuorateError `not_found` for a path of another form */
export function commitOfPath(path: string): number {
  const seq = Number(COMMIT_PATH.exec(path)?.[1] ?? 0)
  if (seq === 0) throw new QuorateError('not_found', 'no such path')
  return seq
}

const TABLES_PREFIX = '/v1/tables/'

/** What `/v1/tables/{project}/{scope}[/{table}]` names. @throws QuorateError `not_found` for a path of another form */
export function tableNames(path: string): { project: string; scope: string; table: string | undefined } {
  const names = path.startsWith(TABLES_PREFIX) ? path.slice(TABLES_PREFIX.length).split('/').map(decodeName) : []
  const [project, scope, table] = names
  if (project === undefined || scope === undefined || names.length > 3)
    throw new QuorateError('not_found', 'no such path')
  return { project, scope, table }
}
