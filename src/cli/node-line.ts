/** A line of a node's log, as far as the supervisor reads it. */
interface LogLine {
  readonly level?: number
  readonly msg?: string
  readonly role?: string
  readonly term?: number
}

const WARNING = 40

/** What the supervisor knows of one node, out of the lines of its log. */
export class NodeLine {
  readonly #name: string
  #pid = 0
  #role = 'stopped'
  #term = 0

  constructor(name: string) {
    this.#name = name
  }

  get role(): string {
    return this.#role
  }

  /** `n0 leader pid 123 term 2` */
  get text(): string {
    const detail = this.#pid === 0 ? '' : ` pid ${this.#pid}${this.#term > 0 ? ` term ${this.#term}` : ''}`
    return `${this.#name} ${this.#role}${detail}`
  }

  started(pid: number): void {
    this.#pid = pid
    this.#role = 'starting'
    this.#term = 0
  }

  ended(): void {
    this.#pid = 0
    this.#role = 'stopped'
  }

  /** Reads one line; returns what a person should see of it, if anything. */
  take(text: string): string | undefined {
    const line = parse(text)
    if (line === undefined) return text.trim() === '' ? undefined : `${this.#name}: ${text}`
    if (typeof line.role === 'string') {
      this.#role = line.role
      this.#term = line.term ?? 0
    }
    return (line.level ?? 0) > WARNING ? `${this.#name}: ${line.msg ?? text}` : undefined
  }
}

function parse(text: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
