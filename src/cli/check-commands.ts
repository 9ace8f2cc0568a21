import type { Command } from 'commander'
import { stringify } from 'yaml'
import { checkDataDirectory, loadConfiguration, loadCredentials, nodePlatform } from '../node/index.ts'
import type { DataRegion, Inconsistency } from '../node/index.ts'
import { outputOf } from './context.ts'
import type { CommandContext } from './context.ts'
import { dataKeysOf, withDataKeys } from './data-keys.ts'
import type { DataKeyOptions } from './data-keys.ts'
import { CommandExit, ExitCode } from './exit-codes.ts'

/** `quorate check`: what a directory or a configuration holds, without a node. */
export function addCheckCommands(program: Command, context: CommandContext): void {
  const check = program.command('check').description('check a data directory or a configuration')
  withDataKeys(check.command('data <directory>'))
    .description('reads every page, value and log frame of a directory that no node has open')
    .option(
      '--accept <note>',
      'if nothing is damaged: a directory that was opened permissively may be used again; says why',
    )
    .option('--physical-only', 'does not look at whether the records go together, which reads them once more')
    .action(async (directory: string, options: CheckDataOptions, command: Command) => {
      const output = outputOf(context, command)
      const { random, ciphers } = nodePlatform()
      const check = await checkDataDirectory(context.files, directory, {
        sealing: { random, ciphers, keys: await dataKeysOf(context, options) },
        withInvariants: options.physicalOnly !== true,
        ...(options.accept !== undefined && { accept: options.accept }),
      })
      const { regions, damage, verdict, trust, inconsistencies, inconsistencyCount } = check
      const logical = inconsistencies && { inconsistencies, inconsistencyCount }
      output.result({ directory, verdict, damage, ...logical, regions, ...(trust && { trust }) }, () => {
        for (const region of regions) if (!SOUND.has(region.state)) output.line(describe(region))
        for (const each of inconsistencies ?? []) output.line(describeInconsistency(each))
        const bytes = regions.reduce((sum, { length }) => sum + length, 0)
        output.line(`${directory}: ${verdict}; ${regions.length} regions, ${bytes} bytes checked`)
        if (trust?.decision === null)
          output.line('it was opened permissively: --accept decides that it may be used again')
      })
      const [first] = damage
      if (first !== undefined) throw new CommandExit(ExitCode.damage, `damaged: ${describe(first)}`)
      const [inconsistency] = inconsistencies ?? []
      if (inconsistency !== undefined) {
        const what = `${inconsistencyCount} records or counts do not go together, the first: `
        throw new CommandExit(ExitCode.inconsistent, `inconsistent: ${what}${describeInconsistency(inconsistency)}`)
      }
      if (verdict === 'suspect') {
        const what =
          'the end of the log does not hold, and nobody here can tell whether it was acknowledged; a node starts'
        throw new CommandExit(ExitCode.suspect, `suspect: ${what}, and votes with care`)
      }
    })
  check
    .command('config <file>')
    .description('checks a configuration file and the files that it names, and prints it with its defaults')
    .option(
      '--without-files',
      'does not look at the files that it names, nor whether its addresses are open to everybody',
    )
    .action(async (file: string, options: { withoutFiles?: true }, command: Command) => {
      const output = outputOf(context, command)
      const { files } = context
      const { clock } = nodePlatform()
      const configuration = await loadConfiguration({ files, file, variables: {}, flags: {} })
      if (options.withoutFiles !== true) await loadCredentials(configuration, { files, clock })
      output.result(configuration, () => context.terminal.write(stringify(configuration)))
    })
}

interface CheckDataOptions extends DataKeyOptions {
  readonly accept?: string
  readonly physicalOnly?: boolean
}

/** States of regions about which there is nothing to say. */
const SOUND: ReadonlySet<string> = new Set(['ok', 'valid', 'void', 'resolved'])

function describe({ file, offset, length, kind, state, reason }: DataRegion): string {
  return `${file} at ${offset} (${kind}, ${length} bytes): ${reason ?? state}`
}

function describeInconsistency({ invariant, reason, project, scope, table, index, key }: Inconsistency): string {
  const place = [project, scope, table, index].filter(name => name !== undefined).join('/')
  const named = `${place === '' ? '' : ` ${place}`}${key === undefined ? '' : ` key ${key}`}`
  return `${invariant}${named}: ${reason}`
}
