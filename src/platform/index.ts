/** The ports: everything that Quorate needs from the machine, as interfaces. `platform/node` and `platform/simulated` implement them. */
export type { ByteListener, ByteStream } from './byte-streams.ts'
export type { Ciphers } from './ciphers.ts'
export type { Clock } from './clock.ts'
export type { Random } from './random.ts'
export { delayOn, paceOn, waitAtMost } from './delay.ts'
export type { Pace } from './delay.ts'
export { readTextFile, replaceTextFile } from './text-file.ts'
export type { Timer, Timers } from './timers.ts'
export { TurnEnd } from './turn-end.ts'
export { FileError } from './files.ts'
export type { DirectoryLock, File, Files, LockHolder } from './files.ts'
export type { Job, JobContext, StartJob, Thread, Threads } from './threads.ts'
export type { DialOptions, Dialer, FrameLink, FrameListener } from './sockets.ts'

import type { Ciphers } from './ciphers.ts'
import type { Clock } from './clock.ts'
import type { Files } from './files.ts'
import type { Random } from './random.ts'
import type { Threads } from './threads.ts'
import type { Timers } from './timers.ts'

/** The ports that every replica needs, bundled by whoever composes it. */
export interface Platform {
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  readonly files: Files
  readonly threads: Threads
  readonly ciphers: Ciphers
}
