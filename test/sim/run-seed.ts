import type { KeyspaceMutants } from '../../src/engine/index.ts'
import { ChecksumSeeds } from '../../src/log/checksum-seed.ts'
import { emptyFrameHeader, FrameFlag, maxFrameBytes, writeFrame } from '../../src/log/frame.ts'
import { LOG_WRITER_JOB, startLogWriter } from '../../src/log/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { PeerFrameCursor } from '../../src/raft/index.ts'
import type { ConfiguredKeys } from '../../src/sealing/index.ts'
import { openSimulatedReplica, simulate } from '../../src/testing/index.ts'
import type { SimulationOptions, SimulationResult } from '../../src/testing/index.ts'

/** Rejections that nobody has handled: a bug of whoever made the promise, unless its process had died. */
const unhandled: unknown[] = []
process.on('unhandledRejection', error => {
  if (!(error instanceof Error && error.name === 'SimulatedCrash')) unhandled.push(error)
})

/** Runs a cluster of real nodes from a seed. */
export async function runSeed(
  seed: number,
  options: Partial<
    Pick<SimulationOptions, 'keepsTrace' | 'keys' | 'adjust' | 'drama' | 'openNode' | 'isDrifting'>
  > = {},
  keyspaceMutants?: KeyspaceMutants,
): Promise<SimulationResult> {
  unhandled.length = 0
  const result = await simulate({
    seed,
    drainMicrotasks,
    openNode: opening => openSimulatedReplica(opening, keyspaceMutants),
    isTolerantFrame,
    foreignFrame: foreignFrame(),
    jobs: { [LOG_WRITER_JOB]: startLogWriter },
    ...options,
  })
  const [first] = unhandled
  if (first === undefined || result.failure !== undefined) return result
  const text = first instanceof Error ? (first.stack ?? first.message) : JSON.stringify(first)
  return { ...result, failure: `a rejection that nobody handled: ${text}` }
}

/** A mark far ahead, made under whatever is planted: where checksums do not know their place, it proves what it must not prove. */
function foreignFrame(): Uint8Array {
  const place = { segment: 1_000_000, offset: 4_096 }
  const synced = { syncedSegment: place.segment, syncedOffset: place.offset }
  const header = { ...emptyFrameHeader(1), ...synced, flags: FrameFlag.mark }
  const frame = new Uint8Array(maxFrameBytes(0))
  const seed = new ChecksumSeeds(new Uint8Array(16).fill(0xee)).at(place.segment, place.offset)
  return frame.subarray(0, writeFrame(frame, 0, header, undefined, place.offset, seed))
}

/** Keys for runs over encrypted and signed directories. */
export const SIMULATED_KEYS: ConfiguredKeys = {
  encryption: [new Uint8Array(32).fill(1)],
  integrity: [new Uint8Array(32).fill(2)],
}

const cursor = new PeerFrameCursor()
const DRIVER_CODES = 64

/** Only the core tolerates the loss, doubling and lateness of its messages (L16). */
function isTolerantFrame(frame: Uint8Array): boolean {
  cursor.open(frame, frame.length)
  while (cursor.next()) if (cursor.code >= DRIVER_CODES) return false
  return true
}
