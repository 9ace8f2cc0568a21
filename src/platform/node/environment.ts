import { readFileSync } from 'node:fs'
import { isatty } from 'node:tty'
import { availableParallelism, hostname, tmpdir, totalmem, uptime } from 'node:os'

/** What a process knows of itself and of its surroundings; the one place that reads them. */
export interface Environment {
  /** The environment variables at start. */
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The command line after the program. */
  readonly arguments: readonly string[]
  readonly pid: number
  readonly hostName: string
  /** Differs after each boot of the machine; containers of one machine share it. */
  readonly bootId: string
  readonly workingDirectory: string
  readonly temporaryDirectory: string
  readonly cpuCount: number
  readonly memoryBytes: number
  readonly nodeVersion: string
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean
}

export function readEnvironment(): Environment {
  return {
    variables: { ...process.env },
    arguments: process.argv.slice(2),
    pid: process.pid,
    hostName: hostname(),
    bootId: readBootId(),
    workingDirectory: process.cwd(),
    temporaryDirectory: tmpdir(),
    cpuCount: availableParallelism(),
    memoryBytes: totalmem(),
    nodeVersion: process.version,
    isTerminal: isatty(1),
  }
}

/**
 * The kernel's id of this boot. Where there is none (macOS), the minute in which the machine started: a wrong "another boot",
 * which rounding can give, is the safe mistake.
 */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return `started-${Math.round((Date.now() / 1000 - uptime()) / 60)}`
  }
}

export type ShutdownSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** Calls `handler` for each of these signals instead of the default, until the returned function is called. */
export function onSignals(signals: readonly ShutdownSignal[], handler: (signal: ShutdownSignal) => void): () => void {
  const listeners = signals.map(signal => ({ signal, listener: () => handler(signal) }))
  for (const { signal, listener } of listeners) process.on(signal, listener)
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
}

/** Sets the exit code with which the process ends once nothing is left to do. */
export function setExitCode(code: number): void {
  process.exitCode = code
}

/** Ends the process at once, as if it had been killed: nothing is written out or closed any more. */
export function endProcess(code: number): never {
  process.exit(code)
}
