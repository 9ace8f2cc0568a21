import { Command, CommanderError, Option } from 'commander'
import { addAuditCommands } from './audit-commands.ts'
import { addBackupCommands } from './backup-commands.ts'
import { addBenchCommand } from './bench-command.ts'
import { addCheckCommands } from './check-commands.ts'
import { addClusterCommands } from './cluster-commands.ts'
import { addCommitCommands } from './commit-commands.ts'
import type { CommandContext, WithSession } from './context.ts'
import { openSession } from './context.ts'
import { addDdlCommand } from './ddl-command.ts'
import { addDebugCommands } from './debug-commands.ts'
import { addDevCommand } from './dev-command.ts'
import { addDumpCommands } from './dump-commands.ts'
import { addEventCommands } from './event-commands.ts'
import { addLifecycleCommands } from './lifecycle-commands.ts'
import { CommandExit, describeError, ExitCode, exitCodeOf } from './exit-codes.ts'
import { addJobCommands } from './job-commands.ts'
import { addKeyValueCommands } from './key-value-commands.ts'
import { addKeysCommands } from './keys-commands.ts'
import { addQueryCommand } from './query-command.ts'
import { addTableCommands } from './table-commands.ts'
import { addCatalogCommands } from './catalog-commands.ts'
import { VERSION } from '../node/index.ts'
import { addRequestCommands } from './request-commands.ts'
import { addServerCommand } from './server-command.ts'
import { addTransferCommands } from './transfer-commands.ts'
import { addWatchCommand } from './watch-command.ts'

/** Runs one command line (without the program's name) and resolves with the exit code. */
export async function runProgram(context: CommandContext, args: readonly string[]): Promise<ExitCode> {
  const program = createProgram(context)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return ExitCode.fine
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.fine : ExitCode.usage
    if (error instanceof CommandExit) {
      if (error.message !== '') context.terminal.writeError(`${error.message}\n`)
      return error.code
    }
    context.terminal.writeError(`quorate: ${describeError(error)}\n`)
    return exitCodeOf(error)
  }
}

/** What is wrong with a command line is explained by the help of the very command. */
function pointToHelp(command: Command, name: string): void {
  command.showHelpAfterError(`(${name} --help says more)`)
  for (const inner of command.commands) pointToHelp(inner, `${name} ${inner.name()}`)
}

/** The commands with their arguments and options; `runProgram` runs them. */
export function createProgram(context: CommandContext): Command {
  const { terminal } = context
  const program = new Command('quorate')
    .description('A replicated, transactional database of tables and keys')
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: text => terminal.write(text),
      writeErr: text => terminal.writeError(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'quorate: ')),
    })
    .addOption(
      new Option('--endpoints <list>', 'client addresses of the nodes')
        .default('127.0.0.1:7400,7401,7402')
        .env('QUORATE_ENDPOINTS'),
    )
    .addOption(
      new Option('--admin-endpoints <list>', 'admin addresses (default: 20 above the client ports)').env(
        'QUORATE_ADMIN_ENDPOINTS',
      ),
    )
    .addOption(new Option('--output <format>', 'how results are printed').choices(['table', 'json']).default('table'))
    .option('--token <token>', 'bearer token (also QUORATE_TOKEN)')
    .option('--token-file <file>', 'file that holds the bearer token')
    .option('--tls', 'the nodes have TLS, of an authority that this system trusts (also: endpoints with wss://)')
    .addOption(new Option('--tls-ca-file <file>', 'authority of the nodes, PEM').env('QUORATE_TLS_CA_FILE'))
    .addOption(new Option('--tls-cert-file <file>', 'own certificate, PEM').env('QUORATE_TLS_CERT_FILE'))
    .addOption(new Option('--tls-key-file <file>', 'its private key, PEM').env('QUORATE_TLS_KEY_FILE'))
    .option('--timeout-ms <ms>', 'time for one request with all its retries', '30000')
    .addHelpText(
      'after',
      '\nExit codes: 0 fine, 1 failed, 2 usage, 3 unavailable, 4 damage; of check data also 5 suspect, 6 inconsistent.',
    )
  const withSession: WithSession =
    action =>
    async (...args) => {
      const command = args.at(-1) as Command
      const session = await openSession(context, command)
      try {
        await action(session, command)
      } finally {
        await session.close()
      }
    }
  addDevCommand(program, context)
  addServerCommand(program, context)
  addClusterCommands(program, withSession)
  addRequestCommands(program, withSession)
  addAuditCommands(program, withSession)
  addCatalogCommands(program, withSession)
  addKeyValueCommands(program, context, withSession)
  addTableCommands(program, context, withSession)
  addDdlCommand(program, context, withSession)
  addWatchCommand(program, withSession)
  addCommitCommands(program, context, withSession)
  addEventCommands(program, withSession)
  addLifecycleCommands(program, withSession)
  addJobCommands(program, withSession)
  addQueryCommand(program, context, withSession)
  addBackupCommands(program, context, withSession)
  addTransferCommands(program, context, withSession)
  addDumpCommands(program, context)
  addDebugCommands(program, context, runProgram)
  addCheckCommands(program, context)
  addKeysCommands(program, context)
  addBenchCommand(program, withSession)
  pointToHelp(program, 'quorate')
  return program
}
