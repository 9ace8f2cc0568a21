import { constants, monitorEventLoopDelay, performance, PerformanceObserver } from 'node:perf_hooks'

const GC_KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weak_callbacks',
}
const LAG_RESOLUTION_MS = 20

/** What this process uses: memory, processor, garbage collection, and how busy and how late its event loop is. */
export interface ProcessUse {
  residentBytes: number
  heapUsedBytes: number
  heapTotalBytes: number
  externalBytes: number
  arrayBufferBytes: number
  cpuUserSeconds: number
  cpuSystemSeconds: number
  uptimeSeconds: number
  /** What keeps the event loop alive: sockets, timers, requests to the system. */
  activeResources: number
  /** 0 to 1, since the start. */
  eventLoopUtilization: number
  /** How late timers were since the last reading: middle, 99th percentile, worst. */
  loopLagSeconds: { p50: number; p99: number; max: number }
  /** Since the start. */
  collections: { kind: string; count: number; seconds: number }[]
}

/** What an entry of type `gc` has. */
interface CollectionEntry {
  readonly detail: { readonly kind: number }
  /** ms */
  readonly duration: number
}

/** Watches this process until it is told to stop. */
export function watchProcess(): { read(): ProcessUse; stop(): void } {
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  delay.enable()
  const collections = Object.values(GC_KINDS).map(kind => ({ kind, count: 0, seconds: 0 }))
  const observer = new PerformanceObserver(list => {
    for (const { detail, duration } of list.getEntries() as unknown as CollectionEntry[]) {
      const counted = collections.find(({ kind }) => kind === GC_KINDS[detail.kind])
      if (counted === undefined) continue
      counted.count++
      counted.seconds += duration / 1000
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return {
    read() {
      // The histogram counts the interval of its own timer with the lateness.
      const lag = (ns: number): number => Math.max(0, ns / 1e9 - LAG_RESOLUTION_MS / 1000)
      const { max } = delay
      const loopLagSeconds = { p50: lag(delay.percentile(50)), p99: lag(delay.percentile(99)), max: lag(max) }
      delay.reset()
      return { ...readUse(), loopLagSeconds, collections: collections.map(one => ({ ...one })) }
    },
    stop() {
      delay.disable()
      observer.disconnect()
    },
  }
}

function readUse(): Omit<ProcessUse, 'loopLagSeconds' | 'collections'> {
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
    activeResources: process.getActiveResourcesInfo().length,
    eventLoopUtilization: performance.eventLoopUtilization().utilization,
  }
}
