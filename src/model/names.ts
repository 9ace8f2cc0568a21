import { QuorateError } from './errors.ts'

export const NAME_BYTES_MAX = 128
const NAME = /^[A-Za-z0-9_-]{1,128}$/
/** Projects that users cannot create or drop. */
export const RESERVED_PROJECTS: readonly string[] = ['_system']
/** Where the database emits events of its own: what happens to projects, scopes and tables. */
export const SYSTEM_PLACE = { project: '_system', scope: 'app' } as const
/** The caller that owns a new cluster: it has every permission and cannot lose it. */
export const ROOT_CALLER = 'root'

/** A project, scope or setting name: 1..128 bytes of [A-Za-z0-9_-]. */
export function isName(text: string): boolean {
  return NAME.test(text)
}

/** @throws QuorateError `invalid_name` */
export function requireName(what: string, text: string): void {
  if (!isName(text)) {
    throw new QuorateError('invalid_name', `${what} ${JSON.stringify(text.slice(0, 140))}: 1 to 128 of A-Z a-z 0-9 _ -`)
  }
}
