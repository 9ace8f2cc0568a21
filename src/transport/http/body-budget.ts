import { QuorateError } from '../../model/index.ts'

/** What the bodies of all requests under way may hold together: many clients that each send what one may send must not fill the memory. */
export class BodyBudget {
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The part of one request, which gives it back when it is answered. */
  share(): BodyShare {
    let bytes = 0
    return {
      grow: more => {
        if (this.#bytes + more > this.#bytesMax) {
          const text = `the bodies of all requests under way have more than ${this.#bytesMax} bytes`
          throw new QuorateError('busy', text, { retryable: true, backoffMs: 100 })
        }
        this.#bytes += more
        bytes += more
      },
      release: () => {
        this.#bytes -= bytes
        bytes = 0
      },
    }
  }
}

export interface BodyShare {
  /** So many bytes more have come. @throws QuorateError `busy` */
  grow(bytes: number): void
  release(): void
}
