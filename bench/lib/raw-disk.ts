import { closeSync, fdatasyncSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { quantile } from './report.ts'

/** The folder in which benchmarks keep their data: on the disk of the checkout, not in a memory file system. */
export function makeBenchFolder(name: string): string {
  return mkdtempSync(join(process.cwd(), `.bench-${name}-`))
}

export function removeBenchFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

/** p50 in us of this machine's own preallocated write of `bytes` bytes + fdatasync: what no durable commit can beat. */
export function measureRawSync(bytes: number, rounds = 400): number {
  const folder = makeBenchFolder('raw')
  try {
    const file = openSync(join(folder, 'file'), 'w')
    // In pieces as the log's own, for the page cache keeps each as one.
    const zeros = Buffer.alloc(1 << 17)
    for (let at = 0; at < 16 << 20; at += zeros.length) writeSync(file, zeros, 0, zeros.length, at)
    fsyncSync(file)
    const block = Buffer.alloc(bytes, 7)
    const times = new Float64Array(rounds)
    for (let i = 0; i < rounds; i++) {
      const start = performance.now()
      writeSync(file, block, 0, bytes, (i * bytes) % (15 << 20))
      fdatasyncSync(file)
      times[i] = (performance.now() - start) * 1000
    }
    closeSync(file)
    return quantile(times.sort(), 0.5)
  } finally {
    removeBenchFolder(folder)
  }
}
