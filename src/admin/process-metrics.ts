import { counter, gauge, labelled } from './metrics.ts'
import type { MetricsSource } from './metrics.ts'

/** What the process says of itself; the composition root reads it. */
export interface ProcessReadings {
  residentBytes: number
  heapUsedBytes: number
  heapTotalBytes: number
  externalBytes: number
  arrayBufferBytes: number
  cpuUserSeconds: number
  cpuSystemSeconds: number
  uptimeSeconds: number
  activeResources: number
  /** 0 to 1, since the start. */
  eventLoopUtilization: number
  /** How late timers were since the last reading. */
  loopLagSeconds: { p50: number; p99: number; max: number }
  /** Garbage collections since the start. */
  collections: readonly { kind: string; count: number; seconds: number }[]
}

export function processMetrics(read: () => ProcessReadings): MetricsSource {
  return {
    isForOneReader: true,
    collect: () => {
      const now = read()
      return [
        gauge('process_resident_memory_bytes', 'Resident memory', now.residentBytes),
        counter('process_cpu_user_seconds_total', 'CPU time in user mode', now.cpuUserSeconds),
        counter('process_cpu_system_seconds_total', 'CPU time in the system', now.cpuSystemSeconds),
        gauge('quorate_process_uptime_seconds', 'Time since the start', now.uptimeSeconds),
        gauge(
          'nodejs_active_resources',
          'Sockets, timers and the like that keep the event loop alive',
          now.activeResources,
        ),
        gauge('nodejs_heap_size_used_bytes', 'Heap in use', now.heapUsedBytes),
        gauge('nodejs_heap_size_total_bytes', 'Heap', now.heapTotalBytes),
        gauge('nodejs_external_memory_bytes', 'Memory of objects outside the heap', now.externalBytes),
        gauge('nodejs_array_buffers_bytes', 'Memory of buffers', now.arrayBufferBytes),
        gauge('nodejs_eventloop_utilization', 'Share of time that the event loop was busy', now.eventLoopUtilization),
        labelled(
          'gauge',
          'quorate_process_loop_lag_seconds',
          'How late timers were since the last scrape',
          'quantile',
          [
            ['0.5', now.loopLagSeconds.p50],
            ['0.99', now.loopLagSeconds.p99],
            ['1', now.loopLagSeconds.max],
          ],
        ),
        labelled(
          'counter',
          'quorate_process_gc_total',
          'Garbage collections',
          'kind',
          now.collections.map(({ kind, count }) => [kind, count] as const),
        ),
        labelled(
          'counter',
          'quorate_process_gc_seconds_total',
          'Time in garbage collection',
          'kind',
          now.collections.map(({ kind, seconds }) => [kind, seconds] as const),
        ),
      ]
    },
  }
}
