import { counter, gauge } from './metrics.ts'
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
  /** 0 to 1, since the start. */
  eventLoopUtilization: number
}

export function processMetrics(read: () => ProcessReadings): MetricsSource {
  return {
    collect: () => {
      const now = read()
      return [
        gauge('process_resident_memory_bytes', 'Resident memory', now.residentBytes),
        counter('process_cpu_user_seconds_total', 'CPU time in user mode', now.cpuUserSeconds),
        counter('process_cpu_system_seconds_total', 'CPU time in the system', now.cpuSystemSeconds),
        gauge('quorate_process_uptime_seconds', 'Time since the start', now.uptimeSeconds),
        gauge('nodejs_heap_size_used_bytes', 'Heap in use', now.heapUsedBytes),
        gauge('nodejs_heap_size_total_bytes', 'Heap', now.heapTotalBytes),
        gauge('nodejs_external_memory_bytes', 'Memory of objects outside the heap', now.externalBytes),
        gauge('nodejs_array_buffers_bytes', 'Memory of buffers', now.arrayBufferBytes),
        gauge('nodejs_eventloop_utilization', 'Share of time that the event loop was busy', now.eventLoopUtilization),
      ]
    },
  }
}
