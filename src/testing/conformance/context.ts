import type { Database, KeyValueSpace } from '../../model/index.ts'

/** Registers tests: `describe` and `it` of node:test, mocha, vitest or jest. */
export interface ConformanceRunner {
  describe(name: string, body: () => void): unknown
  it(name: string, body: () => Promise<void>): unknown
}

/** What a deployment can do for the suite beyond its public surface; cases that need what is absent are left out. */
export interface ConformanceHooks {
  /** Lets leader time pass, at least this long, without waiting for it. */
  advanceTimeMs?(ms: number): Promise<void>
  /** Forgets the changes up to now, so that a watch from an earlier point must be reset. */
  forgetChanges?(): Promise<void>
  /** Every node that may answer takes a checkpoint of all that is acknowledged. */
  checkpoint?(): Promise<void>
}

export interface OpenedDatabase extends ConformanceHooks {
  /** Empty, and used as a caller with all permissions. */
  database: Database
  /** Frees what `open` took, after the database was closed. */
  close(): Promise<void>
}

export interface ConformanceOptions {
  name: string
  open: () => Promise<OpenedDatabase>
  runner: ConformanceRunner
  /** The hooks that `open` will give: which cases there are must be known before. */
  hooks?: readonly (keyof ConformanceHooks)[]
  /** Default: all of `conformanceSections`. */
  sections?: readonly ConformanceSection[]
}

/** What a case works with; its project is its own. */
export interface ConformanceContext {
  readonly database: Database
  readonly project: string
  readonly kv: KeyValueSpace<string, Uint8Array>
  readonly hooks: Required<ConformanceHooks>
}

export interface ConformanceCase {
  /** Reads as the end of a sentence that begins with the section's title. */
  readonly name: string
  readonly needs?: keyof ConformanceHooks | readonly (keyof ConformanceHooks)[]
  readonly run: (context: ConformanceContext) => Promise<void>
}

export interface ConformanceSection {
  readonly title: string
  readonly cases: readonly ConformanceCase[]
}
