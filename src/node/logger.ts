import { pino } from 'pino'
import type { Configuration } from './configuration.ts'

/** Says what happens to a node: JSON lines on standard error. */
export interface NodeLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Lines are written at once, so that the last one before a crash is there. */
export function createLogger({ name, log }: Configuration): NodeLogger {
  const destination = pino.destination({ fd: 2, sync: true })
  return pino({ level: log.level, base: { node: name } }, destination)
}
