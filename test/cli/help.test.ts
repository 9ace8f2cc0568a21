import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ExitCode } from '../../src/cli/exit-codes.ts'
import { run } from './run.ts'

describe('a command line that is wrong', () => {
  for (const [args, error] of [
    [['frobnicate'], "quorate: unknown command 'frobnicate'\n(quorate --help says more)\n"],
    [['kv', 'frob'], "quorate: unknown command 'frob'\n(quorate kv --help says more)\n"],
    [['kv', 'set', 'p', 'app'], "quorate: missing required argument 'key'\n(quorate kv set --help says more)\n"],
    [['status', '--nope'], "quorate: unknown option '--nope'\n(quorate status --help says more)\n"],
  ] as const) {
    it(`is told what and where to read on: ${args.join(' ')}`, async () => {
      assert.deepEqual(await run(...args), { code: ExitCode.usage, text: '', error })
    })
  }
})

/** The names in the list of commands of a help. */
function namesIn(help: string): string[] {
  const [, list = ''] = help.split('\nCommands:\n', 2)
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name]) => name!).filter(name => name !== 'help')
}

describe('help', () => {
  it('is there for every command, says what it does, and needs no cluster', async () => {
    const waiting: string[][] = [[]]
    let commands = 0
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      const { code, text, error } = await run(...path, '--help')
      assert.deepEqual([code, error], [ExitCode.fine, ''], path.join(' '))
      assert.match(text, /^Usage: quorate .*\n\n\S/, `${path.join(' ')} says nothing of itself`)
      for (const name of namesIn(text)) waiting.push([...path, name])
      commands++
    }
    assert.ok(commands > 60, `${commands} commands`)
  })

  it('tells every exit code', async () => {
    const { text } = await run('--help')
    const [, codes = ''] = /\nExit codes: (.*)/s.exec(text) ?? []
    assert.deepEqual(
      [...codes.matchAll(/\d/g)].map(([code]) => Number(code)),
      Object.values(ExitCode),
    )
  })
})
