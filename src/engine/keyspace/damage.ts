/** A place of the page file that does not hold what a pointer says. Nothing that depends on it may be served (promise 6). */
export class PageDamage extends Error {
  override readonly name = 'PageDamage'
  readonly code = 'page_damage'
  readonly file: string
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly length: number
  /** What the pointer names and what is there, if that can be said. */
  readonly expected: string | undefined
  readonly actual: string | undefined

  constructor(
    file: string,
    offset: number,
    length: number,
    reason: string,
    detail: { cause?: unknown; expected?: string; actual?: string } = {},
  ) {
    super(`${file} at ${offset}: ${reason}`, { cause: detail.cause })
    this.expected = detail.expected
    this.actual = detail.actual
    this.file = file
    this.offset = offset
    this.length = length
  }
}
