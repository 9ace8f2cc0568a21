/** A line of a node's log, as far as the supervisor reads it. */
interface LogLine {
  readonly level?: number
  readonly msg?: string
  readonly role?: string
}

const WARNING = 40

/** What the supervisor knows of one node, out of the lines of its log. */
export class NodeLine {
  readonly #name: string
  #pid = 0
  #role = 'stopped'

  constructor(name: string) {
    this.#name = name
  }

  get role(): string {
    return this.#role
  }

  /** `n0 leader pid 123`: three of them fit a line of 80 characters. */
  get text(): string {
    return this.#pid === 0 ? `${this.#name} ${this.#role}` : `${this.#name} ${this.#role} pid ${this.#pid}`
  }

  started(pid: number): void {
    this.#pid = pid
    this.#role = 'starting'
  }

  ended(): void {
    this.#pid = 0
    this.#role = 'stopped'
  }

  /** Reads one line; returns what a person should see of it, if anything. */
  take(text: string): string | undefined {
    const line = parse(text)
    if (line === undefined) return text.trim() === '' ? undefined : `${this.#name}: ${text}`
    if (typeof line.role === 'string') this.#role = line.role
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
