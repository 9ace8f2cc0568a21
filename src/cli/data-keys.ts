import { Option } from 'commander'
import type { Command } from 'commander'
import { loadDataKeys } from '../node/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import type { CommandContext } from './context.ts'

/** Options of commands that open a data directory without a node. */
export interface DataKeyOptions {
  encryptionKeyFile?: string
  integrityKeyFile?: string
}

/** Adds the options under which such a command is given the keys of an encrypted or signed directory. */
export function withDataKeys(command: Command): Command {
  const encryption = new Option('--encryption-key-file <file>', 'keys of an encrypted data directory, one a line')
  const integrity = new Option('--integrity-key-file <file>', 'keys of a signed data directory, one a line')
  return command
    .addOption(encryption.env('QUORATE_ENCRYPTION_KEY_FILE'))
    .addOption(integrity.env('QUORATE_INTEGRITY_KEY_FILE'))
}

/** @throws QuorateError `configuration_invalid` */
export function dataKeysOf(
  { files }: CommandContext,
  { encryptionKeyFile, integrityKeyFile }: DataKeyOptions,
): Promise<ConfiguredKeys | undefined> {
  return loadDataKeys(files, { encryption: encryptionKeyFile, integrity: integrityKeyFile })
}

/** The same, as an option of whatever opens or makes a directory. */
export async function keysOption(context: CommandContext, options: DataKeyOptions): Promise<{ keys?: ConfiguredKeys }> {
  const keys = await dataKeysOf(context, options)
  return keys === undefined ? {} : { keys }
}
