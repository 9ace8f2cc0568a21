/** What entries changed: effects, their chain, the changes directory and watches. */
export { decodeEffects, EFFECT_INLINE_BYTES, EffectKind, EffectLog } from './effects.ts'
export type { EntryEffects, KeyEffect } from './effects.ts'
export { ChangeFiles } from './change-files.ts'
export type { ChangePart } from './change-files.ts'
export { RowSight } from './row-sight.ts'
export { WatchHub } from './watch-hub.ts'
export type { ChangeHistory, WatchSource } from './watch-hub.ts'
