import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Command } from 'commander'
import { createProgram } from '../../src/cli/program.ts'

const ROOT = join(import.meta.dirname, '../../..')
const BLOCK = /^```(?:sh)?\n([\s\S]*?)^```/gm
const COMMAND = /^\s*(?:\$ )?(?:npx )?quorate (.*)$/gm
const WORD = /'([^']*)'|"([^"]*)"|(\S+)/g

interface DocumentedCommand {
  readonly page: string
  readonly words: readonly string[]
}

/** The words of a line as a shell has them: without quotes and comment. */
function wordsOf(line: string): string[] {
  const words: string[] = []
  for (const [, single, double, plain] of line.matchAll(WORD)) {
    if (plain?.startsWith('#') === true) break
    words.push(single ?? double ?? plain!)
  }
  return words
}

async function documented(): Promise<DocumentedCommand[]> {
  const found: DocumentedCommand[] = []
  const pages = (await readdir(join(ROOT, 'docs'), { recursive: true })).filter(name => name.endsWith('.md'))
  for (const page of ['../README.md', ...pages]) {
    const text = await readFile(join(ROOT, 'docs', page), 'utf8')
    for (const [, block = ''] of text.matchAll(BLOCK)) {
      const lines = block.replaceAll('\\\n', ' ')
      for (const [, line = ''] of lines.matchAll(COMMAND)) found.push({ page, words: wordsOf(line) })
    }
  }
  return found
}

/** The program, whose commands only say what they were given. */
function recording(onCommand: (command: Command) => void): { program: Command; errors: () => string } {
  let errors = ''
  const terminal = {
    write: () => undefined,
    writeError: (part: string) => void (errors += part),
    columns: 80,
    isTerminal: false,
    readInput: () => Promise.resolve(new Uint8Array()),
  }
  const program = createProgram({ environment: { variables: {} }, files: {}, terminal } as unknown as Parameters<
    typeof createProgram
  >[0])
  const replace = (command: Command): void => {
    if (command.commands.length === 0) command.action(() => onCommand(command))
    for (const each of command.commands) replace(each)
  }
  replace(program)
  return { program, errors: () => errors }
}

async function requireUnderstood({ page, words }: DocumentedCommand): Promise<void> {
  const line = `${page}: quorate ${words.join(' ')}`
  const ran: string[] = []
  const { program, errors } = recording(command => ran.push(command.name()))
  await program.parseAsync([...words], { from: 'user' }).catch((error: unknown) => {
    assert.fail(`${line}: ${errors() || String(error)}`)
  })
  assert.equal(ran.length, 1, line)
  const inner = words.indexOf('--')
  if (ran[0] === 'explore' && inner >= 0) await requireUnderstood({ page, words: words.slice(inner + 1) })
}

/** Each command that does something, with its arguments as its help has them. */
function usagesOf(command: Command, names: readonly string[] = []): string[] {
  if (command.commands.length > 0) return command.commands.flatMap(each => usagesOf(each, [...names, each.name()]))
  const parts = command.registeredArguments.map(argument => {
    const text = argument.variadic ? `${argument.name()}...` : argument.name()
    return argument.required ? `<${text}>` : `[${text}]`
  })
  return [[...names, ...parts].join(' ')]
}

describe('the pages', () => {
  it('show commands that the program understands', async () => {
    const commands = await documented()
    assert.ok(commands.length >= 30, `${commands.length} commands`)
    for (const command of commands) await requireUnderstood(command)
  })

  it('have every command: docs/reference/commands.md', async () => {
    const page = await readFile(join(ROOT, 'docs/reference/commands.md'), 'utf8')
    const rows = [...page.matchAll(/^\| `([a-z][^`]*)` \| \S.* \|$/gm)].map(([, usage = '']) => usage)
    assert.deepEqual(rows.sort(), usagesOf(recording(() => undefined).program).sort())
  })
})
