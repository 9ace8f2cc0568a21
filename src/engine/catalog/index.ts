/** Projects, scopes, tables, counters and cluster settings: what names mean and which limits hold. */
export { Catalog } from './catalog.ts'
export type { Project, Scope } from './catalog.ts'
export type { Reference } from './table-names.ts'
export { changedCounters, FIRST_COUNTERS, loadCounters, putCounters } from './counters.ts'
export type { Counters } from './counters.ts'
export { changeSetting, isRefusal, loadSettings } from './settings.ts'
