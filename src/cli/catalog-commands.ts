import type { Command } from 'commander'
import { QuorateError } from '../model/index.ts'
import type { NamedPlace, ProjectUsage } from '../model/index.ts'
import type { WithSession } from './context.ts'
import { timeText } from './time-text.ts'

/** `quorate project` and `quorate scope`. */
export function addCatalogCommands(program: Command, withSession: WithSession): void {
  const project = program.command('project').description('create, list and drop projects, what they hold and may hold')
  project
    .command('create <project>')
    .option('--if-not-exists', 'an existing one is fine')
    .action(
      withSession(async (session, command) => {
        const [name = ''] = command.args
        const ifNotExists = command.opts<{ ifNotExists?: boolean }>().ifNotExists === true
        const { seq, changed } = await (
          await session.database()
        ).ddl({ type: 'createProject', project: name, ifNotExists })
        session.output.result({ project: name, created: changed[0], seq }, () =>
          session.output.line(changed[0] === true ? `project ${name} created` : `project ${name} exists`),
        )
      }),
    )
  project.command('list').action(
    withSession(async session => {
      const projects = await (await session.database()).projects()
      session.output.result(projects, () =>
        session.output.table(projects.map(({ name, ...place }) => ({ project: name, ...placeRow(place) }))),
      )
    }),
  )
  project
    .command('drop <project>')
    .description('drops the project with all its scopes and keys')
    .option('--if-exists', 'a missing one is fine')
    .action(
      withSession(async (session, command) => {
        const [name = ''] = command.args
        const ifExists = command.opts<{ ifExists?: boolean }>().ifExists === true
        const { seq, changed } = await (await session.database()).ddl({ type: 'dropProject', project: name, ifExists })
        session.output.result({ project: name, dropped: changed[0], seq }, () =>
          session.output.line(changed[0] === true ? `project ${name} dropped` : `there is no project ${name}`),
        )
      }),
    )
  addUsageCommands(project, withSession)
  addScopeCommands(program.command('scope').description('create, list and drop scopes of a project'), withSession)
}

function addUsageCommands(project: Command, withSession: WithSession): void {
  project
    .command('show [project]')
    .description('what a project holds and may hold; without a name each that the caller may ask about')
    .action(
      withSession(async (session, command) => {
        const [name] = command.args
        const database = await session.database()
        const usages = name === undefined ? await database.usages() : [await database.usage(name)]
        session.output.result(name === undefined ? usages : usages[0], () => session.output.table(usages.map(usageRow)))
      }),
    )
  project
    .command('quota <project>')
    .description('what a project may hold: shows it, or changes it with an option')
    .option('--bytes <number|none>', 'bytes of keys, rows, index entries and events: 1000000, 512MiB or none')
    .option('--records <number|none>', 'keys and rows')
    .action(
      withSession(async (session, command) => {
        const [name = ''] = command.args
        const options = command.opts<{ bytes?: string; records?: string }>()
        const database = await session.database()
        const { quota } = await database.usage(name)
        const bytes = options.bytes === undefined ? quota.bytes : bound('--bytes', options.bytes)
        const records = options.records === undefined ? quota.records : bound('--records', options.records)
        const wanted = { ...(bytes !== undefined && { bytes }), ...(records !== undefined && { records }) }
        if (options.bytes !== undefined || options.records !== undefined) {
          await database.ddl({ type: 'setQuota', project: name, ...wanted })
        }
        const usage = await database.usage(name)
        session.output.result(usage, () => session.output.table([usageRow(usage)]))
      }),
    )
}

function usageRow({ name, keys, rows, events, bytes, quota }: ProjectUsage): Record<string, string | number> {
  const most = { 'records at most': quota.records ?? 'any', 'bytes at most': quota.bytes ?? 'any' }
  return { project: name, keys, rows, events, bytes, ...most }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 }

/** @throws QuorateError `invalid_argument` */
function bound(option: string, text: string): number | undefined {
  if (text === 'none') return undefined
  const [, digits, unit = ''] = /^(\d{1,16})(KiB|MiB|GiB|TiB)?$/.exec(text) ?? []
  const value = digits === undefined ? Number.NaN : Number(digits) * UNITS[unit]!
  if (Number.isSafeInteger(value)) return value
  throw new QuorateError(
    'invalid_argument',
    `${option} must be a whole number, also with KiB to TiB, or none, not '${text}'`,
  )
}

function placeRow({ id, createdAtMicros, owner }: Omit<NamedPlace, 'name'>): Record<string, string | number> {
  return { id, created: createdAtMicros === 0 ? '-' : timeText(createdAtMicros), owner: owner ?? '-' }
}

function addScopeCommands(scope: Command, withSession: WithSession): void {
  scope
    .command('create <project> <scope>')
    .option('--if-not-exists', 'an existing one is fine')
    .action(
      withSession(async (session, command) => {
        const [project = '', name = ''] = command.args
        const ifNotExists = command.opts<{ ifNotExists?: boolean }>().ifNotExists === true
        const database = await session.database()
        const { seq, changed } = await database.ddl({ type: 'createScope', project, scope: name, ifNotExists })
        session.output.result({ project, scope: name, created: changed[0], seq }, () =>
          session.output.line(changed[0] === true ? `scope ${name} created` : `scope ${name} exists`),
        )
      }),
    )
  scope.command('list <project>').action(
    withSession(async (session, command) => {
      const scopes = await (await session.database()).scopes(command.args[0] ?? '')
      session.output.result(scopes, () =>
        session.output.table(scopes.map(({ name, ...place }) => ({ scope: name, ...placeRow(place) }))),
      )
    }),
  )
  scope
    .command('drop <project> <scope>')
    .option('--if-exists', 'a missing one is fine')
    .action(
      withSession(async (session, command) => {
        const [project = '', name = ''] = command.args
        const ifExists = command.opts<{ ifExists?: boolean }>().ifExists === true
        const database = await session.database()
        const { seq, changed } = await database.ddl({ type: 'dropScope', project, scope: name, ifExists })
        session.output.result({ project, scope: name, dropped: changed[0], seq }, () =>
          session.output.line(changed[0] === true ? `scope ${name} dropped` : `there is no scope ${name}`),
        )
      }),
    )
}
