import { parse } from 'yaml'
import { QuorateError } from '../model/index.ts'
import { readTextFile } from '../platform/index.ts'
import type { CommandContext } from './context.ts'

/**
 * Data that a command takes: JSON on the command line (it begins with `{` or `[`), the name of a file with JSON or YAML, or `-` for
 * standard input.
 * @throws QuorateError `invalid_argument`
 */
export async function dataArgument({ files, terminal }: CommandContext, argument: string): Promise<unknown> {
  if (/^\s*[{[]/.test(argument)) return parsed(argument, 'the argument')
  if (argument === '-') return parsed(new TextDecoder().decode(await terminal.readInput()), 'standard input')
  const text = await readTextFile(files, argument)
  if (text === undefined) throw new QuorateError('invalid_argument', `there is no file ${argument}`)
  return parsed(text, argument)
}

function parsed(text: string, where: string): unknown {
  try {
    return /^\s*[{[]/.test(text) ? (JSON.parse(text) as unknown) : (parse(text) as unknown)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : ''
    throw new QuorateError('invalid_argument', `${where} is neither JSON nor YAML: ${reason}`, { cause })
  }
}
