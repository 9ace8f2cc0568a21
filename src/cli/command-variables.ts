import type { Command } from 'commander'

/** The variables that the command line reads, beside those of settings; `command` is any of it. */
export function commandVariables(command: Command): ReadonlySet<string> {
  let root = command
  while (root.parent !== null) root = root.parent
  return new Set(['QUORATE_TOKEN', ...variablesOf(root)])
}

function variablesOf({ options, commands }: Command): string[] {
  const own = options.flatMap(({ envVar }) => (envVar === undefined ? [] : [envVar]))
  return [...own, ...commands.flatMap(command => variablesOf(command))]
}
