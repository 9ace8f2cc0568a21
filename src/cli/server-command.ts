import type { Command } from 'commander'
import { Option } from 'commander'
import { stringify } from 'yaml'
import {
  endProcess,
  tuneForLongRun,
  loadConfiguration,
  nodePlatform,
  onParentGone,
  onSignals,
  SETTINGS,
  startNode,
} from '../node/index.ts'
import type { Configuration } from '../node/index.ts'
import { commandVariables } from './command-variables.ts'
import type { CommandContext } from './context.ts'
import { CommandExit, describeError, ExitCode, exitCodeOf } from './exit-codes.ts'
import { ReloadRequests } from './reload-requests.ts'
import { StopRequests } from './stop-requests.ts'

interface ServerOptions {
  config?: string
  printConfig?: boolean
  exitWithParent?: boolean
}

/** `quorate server`: one node in this process, until a signal ends it in order. */
export function addServerCommand(program: Command, context: CommandContext): void {
  const server = program
    .command('server')
    .description('runs one node; every setting may stand in the file, in a variable or be a flag')
    .addOption(new Option('--config <file>', 'YAML file with the settings').env('QUORATE_CONFIG'))
    .option('--print-config', 'prints the configuration as it would be used, and ends')
    .addOption(new Option('--exit-with-parent', 'ends when the process that started it is gone').hideHelp())
  for (const { flag, type, description, defaultValue } of SETTINGS) {
    const text =
      typeof defaultValue === 'string' || typeof defaultValue === 'number' ? ` (default ${defaultValue})` : ''
    const value = type === 'boolean' ? '[true|false]' : type === 'integer' ? '<n>' : '<text>'
    server.option(`--${flag} ${value}`, `${description}${text}`)
  }
  server.action(async (_options: unknown, command: Command) => {
    const options = command.opts<ServerOptions & Record<string, string | boolean | undefined>>()
    const flags = Object.fromEntries(SETTINGS.map(({ flag }) => [flag, options[camelCase(flag)]]))
    const { files, environment, terminal } = context
    const configuration = await loadConfiguration({
      files,
      file: options.config,
      variables: environment.variables,
      otherVariables: commandVariables(program),
      flags,
    })
    if (options.printConfig === true) terminal.write(stringify(configuration))
    else await serve(configuration, options.exitWithParent === true)
  })
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** Resolves when the node has ended in order; a failure ends with the exit code that fits. */
async function serve(configuration: Configuration, exitsWithParent: boolean): Promise<void> {
  tuneForLongRun()
  const stops = new StopRequests(endProcess)
  const stopListening = onSignals(['SIGINT', 'SIGTERM'], signal => stops.request(signal))
  // A signal during the start is heeded once the node is there: by default it would end the process.
  const reloads = new ReloadRequests()
  const stopReloading = onSignals(['SIGHUP'], () => reloads.request())
  if (exitsWithParent) onParentGone(() => stops.request('the supervisor is gone'))
  const node = await startNode(configuration, nodePlatform)
  stops.started(node)
  reloads.started(node)
  const failure = await node.stopped
  stopListening()
  stopReloading()
  if (failure !== undefined) throw new CommandExit(exitCodeOf(failure) || ExitCode.failed, describeError(failure))
}
