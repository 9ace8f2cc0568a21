import type { Catalog } from './catalog/index.ts'

/** What a project has had done to it, since this process began. */
export interface ProjectTraffic {
  committed: number
  refused: number
  reads: number
}

/**
 * Counts what is applied and read on this replica: numbers in objects, nothing of it part of the replicated state. Transactions count for
 * the project that they change last.
 */
export class ApplyCounters {
  committed = 0
  /** By their code: the codes are few. */
  readonly refusals: Map<string, number> = new Map()
  /** Transactions that had been applied before and were answered so: found in their session, or by their idempotency key. */
  readonly repeated: { session: number; idempotencyKey: number } = { session: 0, idempotencyKey: 0 }
  /** Sessions that were opened, and those whose time was over. */
  readonly sessions: { opened: number; expired: number } = { opened: 0, expired: 0 }
  /** Transactions whose effect was asked for beforehand, by whether they would be committed. */
  readonly preflights: { valid: number; refused: number } = { valid: 0, refused: 0 }
  /** By project id. */
  readonly #projects: Map<number, ProjectTraffic> = new Map()
  #lastId = -1
  #last: ProjectTraffic | undefined

  /** hot path (bench/apply). 0 = no project. */
  onCommitted(projectId: number): void {
    this.committed++
    if (projectId > 0) this.of(projectId).committed++
  }

  onRefused(projectId: number, code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
    if (projectId > 0) this.of(projectId).refused++
  }

  of(projectId: number): ProjectTraffic {
    if (projectId === this.#lastId) return this.#last!
    let traffic = this.#projects.get(projectId)
    if (traffic === undefined) {
      traffic = { committed: 0, refused: 0, reads: 0 }
      this.#projects.set(projectId, traffic)
    }
    this.#lastId = projectId
    this.#last = traffic
    return traffic
  }

  /** Forgets projects that are no more. */
  prune(catalog: Catalog): void {
    for (const id of this.#projects.keys()) if (catalog.projectById(id) === undefined) this.#projects.delete(id)
    this.#lastId = -1
  }
}
