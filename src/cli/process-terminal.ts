import type { Terminal } from './output.ts'

/** The standard streams of this process. */
export function processTerminal(isTerminal: boolean): Terminal {
  // A reader that has seen enough (`| head`) ends the program without a complaint.
  process.stdout.on('error', (error: Error & { code?: string }) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return {
    isTerminal,
    get columns() {
      return process.stdout.columns ?? 80
    },
    write: text => void process.stdout.write(text),
    writeError: text => void process.stderr.write(text),
    async readInput() {
      const chunks: Uint8Array[] = []
      for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array)
      return Buffer.concat(chunks)
    },
  }
}
