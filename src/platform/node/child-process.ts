import { fork } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { longRunEnvironment } from './long-run.ts'

/** The path of a module that lies at `relative` to the one whose `import.meta.url` is `base`. */
export function pathOfModule(relative: string, base: string): string {
  return fileURLToPath(new URL(relative, base))
}

/** A Node process started from this one. */
export interface ChildProcess {
  readonly pid: number
  /** Sends a signal; a process that is gone is fine. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

export interface ChildOptions {
  /** The program's module. */
  readonly module: string
  readonly arguments: readonly string[]
  /** What the child says on standard error is appended to this file. */
  readonly logFile: string
  /** Each line on standard error. */
  readonly onLine: (line: string) => void
  /** Called once. */
  readonly onExit: (code: number | null, signal: string | null) => void
}

/**
 * Starts a child in a process group of its own, so that a terminal's Ctrl-C reaches only this process. The channel between the two
 * closes when this process dies, whatever kills it: `onParentGone` tells the child.
 */
export function startChild({ module, arguments: args, logFile, onLine, onExit }: ChildOptions): ChildProcess {
  const env = longRunEnvironment(process.env)
  const child = fork(module, [...args], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: true, env })
  const file = createWriteStream(logFile, { flags: 'a' })
  let hasExited = false
  const exited = (code: number | null, signal: string | null): void => {
    if (hasExited) return
    hasExited = true
    onExit(code, signal)
  }
  child.stderr?.pipe(file)
  if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', onLine)
  // 'close' comes when standard error has been read to its end, so that the last lines are known before the exit is.
  child.on('close', exited)
  child.on('error', () => exited(1, null))
  return { pid: child.pid ?? 0, kill: signal => void child.kill(signal) }
}

/** Calls `handler` when the process that started this one with `startChild` is gone. */
export function onParentGone(handler: () => void): void {
  process.on('disconnect', handler)
  // It may be gone already: then the event has passed, and there is no channel any more.
  if (!process.connected) process.nextTick(handler)
  process.channel?.unref()
}
