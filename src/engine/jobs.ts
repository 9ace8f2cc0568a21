import { ByteReader, ByteWriter, MalformedBytes } from '../encoding/index.ts'
import type { JobData } from '../model/index.ts'
import type { Changes } from './changes.ts'
import { jobKey, JOBS_PREFIX, readU64BE } from './layers.ts'
import { prefixEnd } from './record-store.ts'
import type { RecordReader } from './record-store.ts'

/** What may no longer be Null, a check or a foreign key, whose rows from before are looked at. */
export type ValidationKind = 'notNull' | 'check' | 'foreignKey'

/**
 * Work too long for one entry, done in steps by ticks (docs/formats/layers.md). What is left of a removal is its cursor; the others keep
 * the key of the last row that they have done. Steps may be repeated.
 */
export type JobTask =
  | { readonly kind: 'removeScope'; readonly scopeId: number }
  | { readonly kind: 'removeRows'; readonly tableId: number }
  | { readonly kind: 'removeIndex'; readonly indexId: number }
  | {
      readonly kind: 'buildIndex'
      readonly tableId: number
      readonly indexId: number
      readonly cursor: Uint8Array
      /** Rows that it has come by. */
      readonly done: number
    }
  | {
      readonly kind: 'validate'
      readonly tableId: number
      readonly what: ValidationKind
      /** Of the check or foreign key; for a column its id in decimal digits. */
      readonly name: string
      readonly cursor: Uint8Array
      readonly done: number
    }
  | { readonly kind: 'removeEvents'; readonly scopeId: number }
  /** Removes the events below a number, with which a commit begins. */
  | { readonly kind: 'compactEvents'; readonly scopeId: number; readonly endNumber: number }

const VALIDATION_KINDS = {
  notNull: 'validateNotNull',
  check: 'validateCheck',
  foreignKey: 'validateForeignKey',
} as const

/** What a job over the rows of a table is called. */
export function jobKindOf(task: Extract<JobTask, { tableId: number; cursor: Uint8Array }>): JobData['kind'] {
  return task.kind === 'buildIndex' ? task.kind : VALIDATION_KINDS[task.what]
}

export interface Job {
  readonly key: Uint8Array
  readonly task: JobTask
}

const KINDS = [
  '',
  'removeScope',
  'removeRows',
  'removeIndex',
  'buildIndex',
  'validate',
  'removeEvents',
  'compactEvents',
] as const
const VALIDATIONS: readonly ValidationKind[] = ['notNull', 'check', 'foreignKey']
/** Of a job that has not begun. */
export const NO_PROGRESS: { readonly cursor: Uint8Array; readonly done: number } = {
  cursor: new Uint8Array(0),
  done: 0,
}

/** Throws `ColdPages`. */
export function loadJobs(reader: RecordReader): Job[] {
  const jobs: Job[] = []
  reader.walk(JOBS_PREFIX, prefixEnd(JOBS_PREFIX), false, (key, _, value) => {
    jobs.push({ key: key.slice(), task: decodeTask(value()) })
    return true
  })
  return jobs
}

/** The jobs with one more, which entry `seq` has made. */
export function withJob(changes: Changes, jobs: readonly Job[], seq: number, task: JobTask): readonly Job[] {
  let number = 1
  for (const { key } of jobs) if (readU64BE(key, 2) === seq) number = Math.max(number, readU64BE(key, 10) + 1)
  const job = { key: jobKey(seq, number), task }
  changes.put(job.key, encodeTask(task))
  return [...jobs, job]
}

/** The jobs with another task in place of that of `job`: it has come further. */
export function withTask(changes: Changes, jobs: readonly Job[], job: Job, task: JobTask): readonly Job[] {
  changes.put(job.key, encodeTask(task), changes.metadata(job.key)?.createdSeq)
  return jobs.map(other => (other === job ? { key: job.key, task } : other))
}

/** The jobs without those that are done, or for nothing. */
export function withoutJobs(
  changes: Changes,
  jobs: readonly Job[],
  isGone: (task: JobTask) => boolean,
): readonly Job[] {
  return jobs.filter(({ key, task }) => {
    const isKept = !isGone(task)
    if (!isKept) changes.delete(key)
    return isKept
  })
}

function encodeTask(task: JobTask): Uint8Array {
  const writer = new ByteWriter(32)
  writer.u8(KINDS.indexOf(task.kind))
  switch (task.kind) {
    case 'removeScope':
    case 'removeEvents':
      writer.u32(task.scopeId)
      break
    case 'removeRows':
      writer.u32(task.tableId)
      break
    case 'removeIndex':
      writer.u32(task.indexId)
      break
    case 'buildIndex':
      writer.u32(task.tableId)
      writer.u32(task.indexId)
      writer.bytes16(task.cursor)
      writer.u64(task.done)
      break
    case 'validate':
      writer.u32(task.tableId)
      writer.u8(VALIDATIONS.indexOf(task.what))
      writer.text16(task.name)
      writer.bytes16(task.cursor)
      writer.u64(task.done)
      break
    case 'compactEvents':
      writer.u32(task.scopeId)
      writer.u64(task.endNumber)
      break
    default:
      throw new RangeError(`job ${String(task satisfies never)}`)
  }
  return writer.finish()
}

function decodeTask(bytes: Uint8Array): JobTask {
  const reader = new ByteReader(bytes)
  const kind = reader.u8()
  const task = readTask(reader, kind)
  reader.expectEnd()
  return task
}

function readTask(reader: ByteReader, code: number): JobTask {
  const kind = KINDS[code]
  switch (kind) {
    case 'removeScope':
    case 'removeEvents':
      return { kind, scopeId: reader.u32() }
    case 'removeRows':
      return { kind, tableId: reader.u32() }
    case 'removeIndex':
      return { kind, indexId: reader.u32() }
    case 'buildIndex':
      return { kind, tableId: reader.u32(), indexId: reader.u32(), ...readProgress(reader) }
    case 'validate': {
      const tableId = reader.u32()
      const what = VALIDATIONS[reader.u8()]
      if (what === undefined) throw new MalformedBytes('validation of nothing')
      return { kind, tableId, what, name: reader.text16(), ...readProgress(reader) }
    }
    case 'compactEvents':
      return { kind, scopeId: reader.u32(), endNumber: reader.u64() }
    default:
      throw new MalformedBytes(`job ${code}`)
  }
}

function readProgress(reader: ByteReader): { cursor: Uint8Array; done: number } {
  return { cursor: reader.bytes16().slice(), done: reader.u64() }
}
