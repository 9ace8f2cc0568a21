/** A place of the page file that does not hold what a pointer says. Nothing that depends on it may be served (promise 6). */
export class PageDamage extends Error {
  override readonly name = 'PageDamage'
  readonly code = 'page_damage'
  readonly file: string
  /** Bytes from the start of the file. */
  readonly offset: number
  readonly length: number

  constructor(file: string, offset: number, length: number, reason: string, cause?: unknown) {
    super(`${file} at ${offset}: ${reason}`, { cause })
    this.file = file
    this.offset = offset
    this.length = length
  }
}
