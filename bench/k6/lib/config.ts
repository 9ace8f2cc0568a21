/** What a run is told, by `-e NAME=VALUE`. */

function list(text: string): readonly string[] {
  return text.split(',').filter(part => part !== '')
}

function number(name: string, absent: number): number {
  const value = Number(__ENV[name] ?? absent)
  if (Number.isFinite(value) && value > 0) return value
  throw new Error(`${name} is a number above 0, not ${__ENV[name]}`)
}

/** host:port of the client ports of all nodes. */
export const endpoints = list(__ENV['ENDPOINTS'] ?? '127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402')
/** host:port of their admin ports. */
export const adminEndpoints = list(__ENV['ADMIN_ENDPOINTS'] ?? '127.0.0.1:7420,127.0.0.1:7421,127.0.0.1:7422')
export const token = __ENV['TOKEN']
export const project = __ENV['PROJECT'] ?? 'k6'
/** Scales all arrival rates. */
export const rateFactor = number('RATE', 1)
/** In place of a scenario's own length, seconds. */
export function seconds(usual: number): number {
  return number('SECONDS', usual)
}
/** Folder for summary.json and summary.md. */
export const outFolder = __ENV['OUT'] ?? '.'

/** The bars of a run: those of the scenario that hold always, and those of the file that THRESHOLDS names. */
export function thresholds(): Record<string, string[]> {
  const file = __ENV['THRESHOLDS'] ?? 'smoke'
  return JSON.parse(open(import.meta.resolve(`../thresholds/${file}.json`))) as Record<string, string[]>
}
