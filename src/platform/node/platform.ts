import type { Platform } from '../index.ts'
import { nodeCiphers } from './ciphers.ts'
import { nodeClock } from './clock.ts'
import { nodeFiles } from './files.ts'
import { nodeRandom } from './random.ts'
import { nodeThreads } from './threads.ts'
import { nodeTimers } from './timers.ts'

/** All ports on this machine. `jobs` binds the names of thread jobs to modules, as `nodeThreads` says. */
export function nodePlatform(jobs: Readonly<Record<string, URL>> = {}): Platform {
  return {
    clock: nodeClock(),
    random: nodeRandom(),
    timers: nodeTimers(),
    files: nodeFiles(),
    threads: nodeThreads(jobs),
    ciphers: nodeCiphers(),
  }
}
