import type { Command } from 'commander'
import { QuorateError } from '../model/index.ts'
import { isDataDirectory, nodePlatform, rotateKeys } from '../node/index.ts'
import { readKeyNumbers } from '../sealing/index.ts'
import { outputOf } from './context.ts'
import type { CommandContext } from './context.ts'
import { dataKeysOf, withDataKeys } from './data-keys.ts'
import type { DataKeyOptions } from './data-keys.ts'

/** `quorate keys`: the keys of a data directory, without a node. */
export function addKeysCommands(program: Command, context: CommandContext): void {
  const keys = program.command('keys').description('keys of an encrypted or signed data directory')
  keys
    .command('show <directory>')
    .description('the keys that a directory has, and by which configured ones they are wrapped; needs none of them')
    .action(async (directory: string, _options: unknown, command: Command) => {
      const output = outputOf(context, command)
      if (!(await isDataDirectory(context.files, directory))) {
        throw new QuorateError('not_found', `${directory} is no data directory`)
      }
      const found = await readKeyNumbers(context.files, directory)
      output.result({ directory, keys: found }, () => {
        if (found.length === 0) output.line(`${directory}: neither encrypted nor signed`)
        for (const { purpose, number, isCurrent, wrappedBy } of found) {
          output.line(`${purpose} ${number} (${isCurrent ? 'current' : 'former'}), wrapped by ${wrappedBy}`)
        }
      })
    })
  withDataKeys(keys.command('rotate <directory>'))
    .description('gives a directory that nobody has open a new data key, for all that is written from then on')
    .action(async (directory: string, options: DataKeyOptions, command: Command) => {
      const output = outputOf(context, command)
      const { random, ciphers } = nodePlatform()
      const configured = (await dataKeysOf(context, options)) ?? {}
      const number = await rotateKeys({ files: context.files, random, ciphers, path: directory, keys: configured })
      output.result({ directory, number }, () => output.line(`${directory}: data key ${number} is current`))
    })
}
