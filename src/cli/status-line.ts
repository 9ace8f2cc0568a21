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
    if (this.#terminal.isTerminal) this.#terminal.write(`${CLEAR_LINE}${this.#fitting(text)}`)
    else this.#terminal.write(`${text}\n`)
  }

  note(text: string): void {
    if (!this.#terminal.isTerminal) return this.#terminal.write(`${text}\n`)
    this.#terminal.write(`${CLEAR_LINE}${text}\n${this.#fitting(this.#shown)}`)
  }

  /** A line that wrapped could not be cleared again. */
  #fitting(text: string): string {
    return text.slice(0, this.#terminal.columns - 1)
  }

  end(): void {
    if (this.#terminal.isTerminal) this.#terminal.write('\n')
  }
}
