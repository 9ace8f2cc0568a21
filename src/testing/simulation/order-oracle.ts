import { require } from './trace.ts'

/** What is refused so was not judged in its turn: its time was over, or the first sending met no such place and the log decided later. */
const OUT_OF_TURN: ReadonlySet<string> = new Set([
  'expired',
  'scope_not_found',
  'project_not_found',
  'permission_denied',
  'session_ended',
  'serial_out_of_window',
])

interface Session {
  lastSerial: number
  /** Given up by their client: they may still be applied, at any time. */
  readonly excused: Set<number>
}

/** What one client issues without awaiting is applied in issue order (DESIGN 4), if the client sends it in order. */
export class OrderOracle {
  readonly #sessions = new Map<number, Session>()

  /** The client of this session keeps order. */
  expect(session: number): void {
    this.#sessions.set(session, { lastSerial: 0, excused: new Set() })
  }

  excuse(session: number, serial: number): void {
    this.#sessions.get(session)?.excused.add(serial)
  }

  /** A request was applied for the first time; `refusal` = what it was refused with, if it was. */
  onApplied(session: number, serial: number, seq: number, refusal: string | undefined): void {
    const known = this.#sessions.get(session)
    if (known === undefined || (refusal !== undefined && OUT_OF_TURN.has(refusal)) || known.excused.has(serial)) return
    require(serial > known.lastSerial, () =>
      `${session}/${serial} is applied at ${seq}, after ${session}/${known.lastSerial} that was issued later`)
    known.lastSerial = serial
  }
}
