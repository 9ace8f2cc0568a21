import type { CoreRead, ScanScopesOptions, ScopedEntry } from '../database.ts'
import { QuorateError } from '../errors.ts'
import type { NamedPlace } from '../reads.ts'
import type { ReadSource } from './read-source.ts'
import { RecordCursor } from './record-cursor.ts'
import { scanRange } from './scan-range.ts'
import { Space } from './space.ts'

/**
 * The keys of all scopes of a project that the caller may read in the range, scope by scope by name, each in key order: one state. What
 * is read of a scope is decided by the same rules as a scan of it alone; a scope that refuses is left out, and if all do, so does this.
 */
export async function* scanScopes<K, V>(
  source: ReadSource,
  project: string,
  options: ScanScopesOptions<K, V> = {},
): AsyncGenerator<ScopedEntry<K, V>, void, undefined> {
  const spaceOf = (scope?: string): Space<K, V> =>
    new Space(project, { ...options, ...(scope !== undefined && { scope }) })
  const range = scanRange(spaceOf(), options)
  const pages = await source.openPages(options)
  try {
    const scopes = scopesOf(await pages.read({ type: 'scopes', project }))
    let { limit: left } = range
    let denied: QuorateError | undefined
    let isAnyRead = false
    for (const { name: scope } of range.reverse ? scopes.toReversed() : scopes) {
      if (left === 0) return
      const cursor = new RecordCursor(request => pages.read(request), project, scope, { ...range, limit: left })
      const refusal = await firstPage(cursor)
      if (refusal !== undefined) {
        denied = refusal
        continue
      }
      isAnyRead = true
      const space = spaceOf(scope)
      do {
        for (let record = cursor.take(); record !== undefined; record = cursor.take()) {
          yield { scope, ...space.decodeEntry(record) }
          left--
        }
      } while (await cursor.fill())
    }
    if (!isAnyRead && denied !== undefined) throw denied
  } finally {
    pages.close()
  }
}

/** Reads the first page; answers why the caller may not. Later on a permission that is taken away ends the scan. */
async function firstPage(cursor: RecordCursor): Promise<QuorateError | undefined> {
  try {
    await cursor.fill()
    return undefined
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'permission_denied') return error
    throw error
  }
}

function scopesOf({ result }: CoreRead): readonly NamedPlace[] {
  if (result.type !== 'scopes') throw new QuorateError('internal', `a read of scopes was answered by ${result.type}`)
  return result.scopes
}
