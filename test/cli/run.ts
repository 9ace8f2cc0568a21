import type { ExitCode } from '../../src/cli/exit-codes.ts'
import { runProgram } from '../../src/cli/program.ts'
import type { Files } from '../../src/platform/index.ts'
import { nodeFiles } from '../../src/platform/node/index.ts'

/** How a command line ended, and what it printed. */
export interface Ran {
  code: ExitCode
  text: string
  error: string
}

/** Runs `quorate ...args` in this process, on no terminal and without variables. */
export function run(...args: string[]): Promise<Ran> {
  return runOn(nodeFiles(), ...args)
}

/** The same on other files. */
export function runOn(files: Files, ...args: string[]): Promise<Ran> {
  return runWith({}, files, ...args)
}

/** The same with variables. */
export async function runWith(variables: Record<string, string>, files: Files, ...args: string[]): Promise<Ran> {
  let [text, error] = ['', '']
  const terminal = {
    write: (part: string | Uint8Array) =>
      void (text += typeof part === 'string' ? part : new TextDecoder().decode(part)),
    writeError: (part: string) => void (error += part),
    columns: 80,
    isTerminal: false,
    readInput: () => Promise.resolve(new Uint8Array()),
  }
  const environment = { variables } as unknown as Parameters<typeof runProgram>[0]['environment']
  const code = await runProgram({ environment, files, terminal }, args)
  return { code, text, error }
}
