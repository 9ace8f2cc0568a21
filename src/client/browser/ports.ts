import type { ClientPorts } from '../options.ts'
import { browserDialer } from './dialer.ts'
import { browserTimers } from './timers.ts'

/** What a client needs from a browser, or from whatever has its globals: WebSocket, crypto, performance, timers. */
export function browserPorts(): ClientPorts {
  return {
    dialer: browserDialer(),
    clock: {
      monotonicMs: () => performance.now(),
      wallMicros: () => Math.floor((performance.timeOrigin + performance.now()) * 1000),
    },
    timers: browserTimers(),
    random: {
      u32: () => crypto.getRandomValues(new Uint32Array(1))[0]!,
      float: () => {
        const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
        return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53
      },
      bytes: length => crypto.getRandomValues(new Uint8Array(length)),
    },
  }
}
