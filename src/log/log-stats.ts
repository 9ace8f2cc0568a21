import { DurationHistogram, LatencyHistogram } from '../model/index.ts'

/** What a log has done since it was opened. */
export class LogStats {
  frames = 0
  frameBytes = 0
  /** From the append of a frame to its being synced; counts only where the log was given a clock. */
  readonly syncLatency: LatencyHistogram = new LatencyHistogram()
  /** The same, for percentiles. */
  readonly syncDuration: DurationHistogram = new DurationHistogram()

  onSynced(durationMs: number): void {
    this.syncLatency.record(durationMs)
    this.syncDuration.record(durationMs)
  }
}
