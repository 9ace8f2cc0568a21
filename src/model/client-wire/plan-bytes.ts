import { MalformedBytes, type ByteReader, type ByteWriter } from '../../encoding/index.ts'
import {
  QUERY_PATHS,
  QUERY_STAGES,
  type QueryBounds,
  type QueryDiagnostics,
  type QueryPlan,
  type QueryStage,
  type StageRun,
} from '../query-plan.ts'
import { readList } from './lists.ts'

/** How queries are run, and were, in binary (docs/formats/client-wire.md). */

const PlanFlag = { ordered: 1, bounded: 2, scanRows: 4 } as const
const StageFlag = { estimated: 1, max: 2 } as const

export function writePlan(out: ByteWriter, { path, indexes, stages, seq, bounds, ...plan }: QueryPlan): void {
  out.u8(QUERY_PATHS.indexOf(path))
  out.u8(
    (plan.isOrderedByScan ? PlanFlag.ordered : 0) |
      (plan.isBounded ? PlanFlag.bounded : 0) |
      (bounds.scanRows === undefined ? 0 : PlanFlag.scanRows),
  )
  out.u64(seq)
  out.u64(bounds.pageRows)
  out.u64(bounds.pageBytes)
  out.u64(bounds.heldBytes)
  if (bounds.scanRows !== undefined) out.u64(bounds.scanRows)
  out.u32(indexes.length)
  for (const index of indexes) out.text16(index)
  out.u32(stages.length)
  for (const stage of stages) writeStage(out, stage)
}

export function readPlan(reader: ByteReader): QueryPlan {
  const path = QUERY_PATHS[reader.u8()]
  const flags = reader.u8()
  if (path === undefined || flags > 7) throw new MalformedBytes('plan')
  const seq = reader.u64()
  const bounds: QueryBounds = {
    pageRows: reader.u64(),
    pageBytes: reader.u64(),
    heldBytes: reader.u64(),
    ...((flags & PlanFlag.scanRows) !== 0 && { scanRows: reader.u64() }),
  }
  const indexes = readList(reader, 2, r => r.text16())
  return {
    path,
    indexes,
    stages: readList(reader, STAGE_BYTES_MIN, readStage),
    isOrderedByScan: (flags & PlanFlag.ordered) !== 0,
    isBounded: (flags & PlanFlag.bounded) !== 0,
    seq,
    bounds,
  }
}

const STAGE_BYTES_MIN = 4

function writeStage(out: ByteWriter, { kind, text, estimatedRows, maxRows }: QueryStage): void {
  out.u8(QUERY_STAGES.indexOf(kind))
  out.u8((estimatedRows === undefined ? 0 : StageFlag.estimated) | (maxRows === undefined ? 0 : StageFlag.max))
  out.text16(text)
  if (estimatedRows !== undefined) out.u64(estimatedRows)
  if (maxRows !== undefined) out.u64(maxRows)
}

function readStage(reader: ByteReader): QueryStage {
  const kind = QUERY_STAGES[reader.u8()]
  const flags = reader.u8()
  if (kind === undefined || flags > 3) throw new MalformedBytes('stage of a plan')
  return {
    kind,
    text: reader.text16(),
    ...((flags & StageFlag.estimated) !== 0 && { estimatedRows: reader.u64() }),
    ...((flags & StageFlag.max) !== 0 && { maxRows: reader.u64() }),
  }
}

export function writeDiagnostics(out: ByteWriter, { plan, stages, pageBytes }: QueryDiagnostics): void {
  if (stages.length !== plan.stages.length) throw new RangeError('as many runs as stages')
  writePlan(out, plan)
  for (const { read, rows, heldBytes } of stages) {
    out.u64(read)
    out.u64(rows)
    out.u64(heldBytes)
  }
  out.u64(pageBytes)
}

export function readDiagnostics(reader: ByteReader): QueryDiagnostics {
  const plan = readPlan(reader)
  const stages = plan.stages.map((): StageRun => ({ read: reader.u64(), rows: reader.u64(), heldBytes: reader.u64() }))
  return { plan, stages, pageBytes: reader.u64() }
}
