import type { Terminal } from './output.ts'

const CLEAR_LINE = '\r\u001b[2K'

/** One line that is kept up to date on a terminal; elsewhere each change is a line. Notes scroll by above it. */
export class StatusLine {
  readonly #terminal: Terminal
  #shown = ''

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  show(text: string): void {
    if (text === this.#shown) return
    this.#shown = text
    if (this.#terminal.isTerminal) this.#terminal.write(`${CLEAR_LINE}${text}`)
    else this.#terminal.write(`${text}\n`)
  }

  note(text: string): void {
    if (!this.#terminal.isTerminal) return this.#terminal.write(`${text}\n`)
    const below = this.#shown === '' ? '' : this.#shown
    this.#terminal.write(`${CLEAR_LINE}${text}\n${below}`)
  }

  end(): void {
    if (this.#terminal.isTerminal) this.#terminal.write('\n')
  }
}
