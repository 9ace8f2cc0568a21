import { require } from './trace.ts'

/**
 * What one client issues without awaiting is applied in issue order (DESIGN 4). A session sees to it that nothing is applied behind what was
 * issued later; this one, that nothing is refused for that which nodes had to place in its turn.
 */
export class OrderOracle {
  /** By session: what its client or a node has given up, or was not placed at once. */
  readonly #excused = new Map<number, Set<number>>()

  /** The client of this session keeps order. */
  expect(session: number): void {
    this.#excused.set(session, new Set())
  }

  excuse(session: number, serial: number): void {
    this.#excused.get(session)?.add(serial)
  }

  /** A request is refused because a later one of its session was decided before. */
  onOvertaken(session: number, serial: number, seq: number): void {
    const excused = this.#excused.get(session)
    require(excused === undefined || excused.has(serial), () =>
      `${session}/${serial} comes at ${seq} behind what was issued later, and its client still waited for it`)
  }
}
