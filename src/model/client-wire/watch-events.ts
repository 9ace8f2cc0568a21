import { MalformedBytes, type ByteReader, type ByteWriter } from '../../encoding/index.ts'
import type { Change } from '../database.ts'
import type { WireWatchEvent } from './messages.ts'
import { readList } from './lists.ts'
import { CHANGE_KINDS, readWatchedRows, writeWatchedRows } from './watched-rows.ts'

/**
 * Watch events, to the end of the body: u8 kind (0 commit, 1 progress, 2 reset, 3 rows), u64 seq, then for a commit u32 changes
 * {u8 kind (0 put, 1 delete, 2 expire), u16 + key, put: u32 + value}, for a reset u32 view id,
 * for rows what `writeWatchedRows` writes.
 */
const EventCode = { commit: 0, progress: 1, reset: 2, rows: 3 } as const
const CHANGE_BYTES_MIN = 3

export function writeWatchEvents(out: ByteWriter, events: readonly WireWatchEvent[]): void {
  for (const event of events) {
    out.u8(EventCode[event.type])
    out.u64(event.seq)
    if (event.type === 'reset') out.u32(event.viewId)
    else if (event.type === 'rows') writeWatchedRows(out, event)
    else if (event.type === 'commit') {
      out.u32(event.changes.length)
      for (const change of event.changes) writeChange(out, change, event.seq)
    }
  }
}

function writeChange(out: ByteWriter, change: Change, seq: number): void {
  if (change.seq !== seq) throw new RangeError(`change of seq ${change.seq} in the commit of seq ${seq}`)
  if ((change.kind === 'put') !== (change.value !== undefined)) throw new RangeError(`${change.kind}: value`)
  out.u8(CHANGE_KINDS.indexOf(change.kind))
  out.bytes16(change.key)
  if (change.value !== undefined) out.bytes32(change.value)
}

/** Keys and values are copies. */
export function readWatchEvents(reader: ByteReader): WireWatchEvent[] {
  const events: WireWatchEvent[] = []
  while (reader.remaining > 0) {
    const code = reader.u8()
    const seq = reader.u64()
    if (code === EventCode.progress) events.push({ type: 'progress', seq })
    else if (code === EventCode.reset) events.push({ type: 'reset', seq, viewId: reader.u32() })
    else if (code === EventCode.rows) events.push({ type: 'rows', seq, ...readWatchedRows(reader) })
    else if (code === EventCode.commit) {
      events.push({ type: 'commit', seq, changes: readList(reader, CHANGE_BYTES_MIN, r => readChange(r, seq)) })
    } else throw new MalformedBytes(`watch event ${code}`)
  }
  return events
}

function readChange(reader: ByteReader, seq: number): Change {
  const kind = CHANGE_KINDS[reader.u8()]
  if (kind === undefined) throw new MalformedBytes('change kind')
  const key = reader.bytes16().slice()
  return { key, kind, value: kind === 'put' ? reader.bytes32().slice() : undefined, seq }
}
