import type { Command } from 'commander'
import type { WithSession } from './context.ts'

/** `quorate project` and `quorate scope`. */
export function addCatalogCommands(program: Command, withSession: WithSession): void {
  const project = program.command('project').description('create, list and drop projects')
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
        session.output.table(projects.map(({ name, id }) => ({ project: name, id }))),
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
  addScopeCommands(program.command('scope').description('create, list and drop scopes of a project'), withSession)
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
      session.output.result(scopes, () => session.output.table(scopes.map(({ name, id }) => ({ scope: name, id }))))
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
