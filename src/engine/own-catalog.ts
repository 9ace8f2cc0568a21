import { changedState } from './cluster-state.ts'
import type { Catalog } from './catalog/index.ts'
import type { EntryWork } from './entry-work.ts'

/** The entry's own catalog, cloned from the published one at the first change. */
export function ownCatalog(work: EntryWork): Catalog {
  if (work.state.catalog === work.ownCatalog) return work.ownCatalog
  const catalog = work.state.catalog.clone()
  work.ownCatalog = catalog
  work.state = changedState(work.state, { catalog })
  return catalog
}
