import { performance } from 'node:perf_hooks'

/** What this process uses: memory, processor, and how busy its event loop was since the start. */
export function readProcess(): {
  residentBytes: number
  heapUsedBytes: number
  heapTotalBytes: number
  externalBytes: number
  arrayBufferBytes: number
  cpuUserSeconds: number
  cpuSystemSeconds: number
  uptimeSeconds: number
  eventLoopUtilization: number
} {
  const memory = process.memoryUsage()
  const cpu = process.cpuUsage()
  return {
    residentBytes: memory.rss,
    heapUsedBytes: memory.heapUsed,
    heapTotalBytes: memory.heapTotal,
    externalBytes: memory.external,
    arrayBufferBytes: memory.arrayBuffers,
    cpuUserSeconds: cpu.user / 1e6,
    cpuSystemSeconds: cpu.system / 1e6,
    uptimeSeconds: process.uptime(),
    eventLoopUtilization: performance.eventLoopUtilization().utilization,
  }
}
