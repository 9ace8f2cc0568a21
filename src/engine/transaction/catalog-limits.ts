import type { ClusterSettings } from '../../model/index.ts'
import type { Catalog } from '../catalog/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'

/** Refuses one more where there are as many as the setting allows. */
export function catalogLimit(
  { state }: EntryWork,
  what: keyof Catalog['counts'],
  setting: keyof ClusterSettings,
): Refusal | undefined {
  const most = state.settings[setting]
  return state.catalog.counts[what] < most ? undefined : refuse('catalog_limit', `there are ${most} ${what}`)
}
