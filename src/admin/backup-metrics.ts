import { counter, gauge } from './metrics.ts'
import type { MetricsSource } from './metrics.ts'

export interface BackupReadings {
  readonly isRunning: boolean
  /** Of what is under way. */
  readonly writtenBytes: number
  /** Ends since the start. */
  readonly doneTotal: number
  readonly failedTotal: number
  readonly cancelledTotal: number
  /** The newest finished backup of this node, of earlier processes too. */
  readonly last:
    | { readonly atMicros: number; readonly seq: number; readonly bytes: number; readonly durationMs: number }
    | undefined
  /** When one of this node was last found to be whole, us. */
  readonly verifiedAtMicros: number | undefined
  readonly nowMicros: number
}

/** Of the backups that this node has made: an alert on their age finds a schedule that has stopped. */
export function backupMetrics(read: () => BackupReadings): MetricsSource {
  return {
    collect: () => {
      const { isRunning, writtenBytes, doneTotal, failedTotal, cancelledTotal, last, verifiedAtMicros, nowMicros } =
        read()
      const always = [
        gauge('quorate_backup_running', '1 while a backup is made', isRunning ? 1 : 0),
        gauge('quorate_backup_written_bytes', 'Bytes of the backup that is under way', writtenBytes),
        counter('quorate_backup_done_total', 'Backups that were finished, since the start', doneTotal),
        counter('quorate_backup_failed_total', 'Backups that have failed, since the start', failedTotal),
        counter('quorate_backup_cancelled_total', 'Backups that were cancelled, since the start', cancelledTotal),
      ]
      if (verifiedAtMicros !== undefined) {
        const help = 'When a backup of this node was last found to be whole, Unix time'
        always.push(gauge('quorate_backup_last_verified_timestamp_seconds', help, verifiedAtMicros / 1e6))
      }
      if (last === undefined) return always
      const ageSeconds = Math.max(0, nowMicros - last.atMicros) / 1e6
      return [
        ...always,
        gauge(
          'quorate_backup_last_timestamp_seconds',
          'When the newest backup was made, Unix time',
          last.atMicros / 1e6,
        ),
        gauge('quorate_backup_age_seconds', 'Age of the newest backup that this node has made', ageSeconds),
        gauge('quorate_backup_last_seq', 'What the newest backup can be restored to at most', last.seq),
        gauge('quorate_backup_last_bytes', 'Bytes of the newest backup', last.bytes),
        gauge('quorate_backup_last_duration_seconds', 'How long the newest backup took', last.durationMs / 1e3),
      ]
    },
  }
}
