import type { Command } from 'commander'
import type { FinishedJob, JobData, JobPlace } from '../model/index.ts'
import type { WithSession } from './context.ts'
import { CommandExit, ExitCode } from './exit-codes.ts'
import type { Output } from './output.ts'

/** `quorate job`: what the database does in the background. */
export function addJobCommands(program: Command, withSession: WithSession): void {
  const job = program.command('job').description('builds of indexes, looks at rows for new rules, removals')
  job
    .command('list [project] [scope] [table]')
    .description('the jobs that are not done, the oldest first')
    .action(
      withSession(async (session, command) => {
        const jobs = await (await session.database()).jobs(placeOf(command))
        session.output.result(jobs, () => printJobs(session.output, jobs))
      }),
    )
  job
    .command('wait [project] [scope] [table]')
    .description('waits until the jobs that there are now have ended; exit code 1 if rows have refused one')
    .action(
      withSession(async (session, command) => {
        const { output, timeoutMs } = session
        const finished = await (await session.database()).waitForJobs(placeOf(command), { timeoutMs })
        output.result(finished, () => printFinished(output, finished))
        const failed = finished.filter(({ failure }) => failure !== undefined)
        if (failed.length > 0) throw new CommandExit(ExitCode.failed, `${failed.length} given up`)
      }),
    )
}

function placeOf(command: Command): JobPlace {
  const [project, scope, table] = command.args
  return {
    ...(project !== undefined && { project }),
    ...(scope !== undefined && { scope }),
    ...(table !== undefined && { table }),
  }
}

function subject({ project, scope, table, name }: JobData): string {
  return [[project, scope, table].filter(part => part !== undefined).join('/'), name ?? ''].join(' ').trim()
}

function printJobs(output: Output, jobs: readonly JobData[]): void {
  if (jobs.length === 0) return output.line('no jobs')
  output.table(
    jobs.map(job => ({ job: job.id, kind: job.kind, of: subject(job), done: job.done ?? '', left: job.left ?? '' })),
  )
}

function printFinished(output: Output, jobs: readonly FinishedJob[]): void {
  for (const job of jobs) {
    output.line(
      `${job.id} ${job.kind} ${subject(job)}: ${job.failure === undefined ? 'done' : `given up, ${job.failure}`}`,
    )
  }
  if (jobs.length === 0) output.line('no jobs')
}
