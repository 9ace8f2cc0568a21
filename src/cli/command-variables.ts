import type { Command } from 'commander'

/** The variables that the command line reads, beside those of settings. */
export function commandVariables(program: Command): ReadonlySet<string> {
  return new Set(['QUORATE_TOKEN', ...variablesOf(program)])
}

function variablesOf({ options, commands }: Command): string[] {
  const own = options.flatMap(({ envVar }) => (envVar === undefined ? [] : [envVar]))
  return [...own, ...commands.flatMap(command => variablesOf(command))]
}
