import type { EngineOptions } from '../../src/engine/index.ts'

/** A memory that some keys overflow, and a checkpoint every few commits. */
export const SMALL: EngineOptions = {
  pageBytes: 4096,
  budgetBytes: 256 << 10,
  segmentBytes: 32 << 10,
  checkpointLogBytes: 24 << 10,
}
