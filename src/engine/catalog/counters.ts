import { ByteReader, ByteWriter } from '../../encoding/index.ts'
import { FEATURE_LEVEL } from '../../model/index.ts'
import { COUNTERS_KEY } from '../layers.ts'
import type { Changes } from '../changes.ts'
import type { RecordReader } from '../record-store.ts'

/** Numbers that apply gives out or bounds things by; one record, so that all replicas give the same. */
export interface Counters {
  readonly nextProjectId: number
  readonly nextScopeId: number
  readonly sessions: number
  readonly idempotencyKeys: number
  readonly featureLevel: number
  readonly nextTableId: number
  readonly nextIndexId: number
}

export const FIRST_COUNTERS: Counters = {
  nextProjectId: 1,
  nextScopeId: 1,
  sessions: 0,
  idempotencyKeys: 0,
  featureLevel: FEATURE_LEVEL,
  nextTableId: 1,
  nextIndexId: 1,
}

/** Counters that differ in some numbers: all of one shape, as those of `changedState`. */
export function changedCounters(counters: Counters, changed: Partial<Counters>): Counters {
  return {
    nextProjectId: changed.nextProjectId ?? counters.nextProjectId,
    nextScopeId: changed.nextScopeId ?? counters.nextScopeId,
    sessions: changed.sessions ?? counters.sessions,
    idempotencyKeys: changed.idempotencyKeys ?? counters.idempotencyKeys,
    featureLevel: changed.featureLevel ?? counters.featureLevel,
    nextTableId: changed.nextTableId ?? counters.nextTableId,
    nextIndexId: changed.nextIndexId ?? counters.nextIndexId,
  }
}

export function loadCounters(reader: RecordReader): Counters {
  const record = reader.get(COUNTERS_KEY)
  if (record === undefined) return FIRST_COUNTERS
  const fields = new ByteReader(record.value)
  fields.u8()
  return changedCounters(FIRST_COUNTERS, {
    nextProjectId: fields.u32(),
    nextScopeId: fields.u32(),
    sessions: fields.u32(),
    idempotencyKeys: fields.u32(),
    featureLevel: fields.u32(),
    nextTableId: fields.u32(),
    nextIndexId: fields.u32(),
  })
}

export function putCounters(changes: Changes, counters: Counters): void {
  const writer = new ByteWriter(32)
  writer.u8(1)
  writer.u32(counters.nextProjectId)
  writer.u32(counters.nextScopeId)
  writer.u32(counters.sessions)
  writer.u32(counters.idempotencyKeys)
  writer.u32(counters.featureLevel)
  writer.u32(counters.nextTableId)
  writer.u32(counters.nextIndexId)
  changes.put(COUNTERS_KEY, writer.finish(), changes.metadata(COUNTERS_KEY)?.createdSeq)
}
