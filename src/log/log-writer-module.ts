/** The module of the worker lane's thread, for Threads that load code by URL; in the form (built or source) of this file. */
export function logWriterModule(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './log-writer.ts' : './log-writer.js', import.meta.url)
}
