import type { Command } from 'commander'
import { QuorateError } from '../model/index.ts'
import type { RunningRequest, SlowRequest } from '../model/index.ts'
import { adminAnswer, adminCall } from './admin-calls.ts'
import { positiveInteger } from './context.ts'
import type { Session, WithSession } from './context.ts'

const PATH = '/admin/v1/requests'

/** What one node has answered, or why it did not. */
type Answer<T> = ({ endpoint: string } & T) | { endpoint: string; error: string }

/** `quorate request list|cancel|slow`: what nodes are busy with, and what took long. */
export function addRequestCommands(program: Command, withSession: WithSession): void {
  const request = program.command('request').description('requests under way: list, cancel; and those that took long')
  request
    .command('list')
    .description('what each node is busy with, the oldest first')
    .option('--limit <number>', 'so many of each node', '100')
    .action(
      withSession(async (session, command) => {
        const limit = positiveInteger('--limit', command.opts<{ limit: string }>().limit)
        const path = `${PATH}?limit=${limit}`
        const answers = await askAll<{ count: number; requests: RunningRequest[] }>(session, path)
        show(session, answers, ({ endpoint, requests }) =>
          requests.map(({ id, kind, caller, project = '', state, ageMs }) => ({
            node: endpoint,
            id,
            kind,
            caller,
            project,
            state,
            'age ms': Math.round(ageMs),
          })),
        )
      }),
    )
  request
    .command('cancel <endpoint> <id>')
    .description('ends a request of a node (client address and id as in the list): who waits for it hears `cancelled`')
    .action(
      withSession(async (session, command) => {
        const [endpoint = '', id = ''] = command.args
        const admin = session.adminEndpoints[session.endpoints.indexOf(endpoint)]
        if (admin === undefined) throw new QuorateError('invalid_argument', `${endpoint} is not among --endpoints`)
        await adminCall(session, admin, `${PATH}/cancel`, { id })
        session.output.result({ endpoint, id, cancelled: true }, () => session.output.line(`${id} is cancelled`))
      }),
    )
  request
    .command('slow')
    .description('the last requests that took long, with where their time went')
    .option('--threshold-ms <ms>', 'from now on keep what takes at least so long; 0 keeps everything')
    .option('--limit <number>', 'so many of each node', '20')
    .action(withSession(showSlow))
}

async function showSlow(session: Session, command: Command): Promise<void> {
  const { limit, thresholdMs } = command.opts<{ limit: string; thresholdMs?: string }>()
  const path = `${PATH}/slow?limit=${positiveInteger('--limit', limit)}`
  if (thresholdMs !== undefined) {
    const wanted = thresholdMs === '0' ? 0 : positiveInteger('--threshold-ms', thresholdMs)
    await Promise.all(
      session.adminEndpoints.map(admin => adminCall(session, admin, `${PATH}/slow`, { thresholdMs: wanted })),
    )
  }
  const answers = await askAll<{ thresholdMs: number; requests: SlowRequest[] }>(session, path)
  show(session, answers, ({ endpoint, requests }) => requests.map(request => slowRow(endpoint, request)))
}

function slowRow(endpoint: string, request: SlowRequest): Record<string, string> {
  const { timeMicros, kind, caller, project = '', totalMs, phases, plan, code } = request
  const ms = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(1))
  return {
    node: endpoint,
    'leader time us': String(timeMicros),
    kind,
    caller,
    project,
    'total ms': ms(totalMs),
    queue: ms(phases.queueMs),
    commit: ms(phases.commitMs),
    apply: ms(phases.applyMs),
    run: ms(phases.runMs),
    reply: ms(phases.replyMs),
    what: code ?? plan?.stages[0]?.text ?? '',
  }
}

async function askAll<T>(session: Session, path: string): Promise<Answer<T>[]> {
  const answers = await Promise.all(
    session.endpoints.map(async (endpoint, i): Promise<Answer<T>> => {
      try {
        return {
          endpoint,
          ...(JSON.parse(await adminAnswer(session, session.adminEndpoints[i]!, { method: 'GET', path })) as T),
        }
      } catch (error) {
        // Another node may answer; who may not ask is told at once.
        if (!(error instanceof QuorateError) || error.code !== 'unavailable') throw error
        return { endpoint, error: error.message }
      }
    }),
  )
  if (answers.every(answer => 'error' in answer)) {
    throw new QuorateError('unavailable', 'no node answers on its admin port', { retryable: true })
  }
  return answers
}

function show<T extends object>(
  session: Session,
  answers: readonly Answer<T>[],
  rowsOf: (answer: { endpoint: string } & T) => Record<string, string | number>[],
): void {
  session.output.result(answers, () => {
    const rows = answers.flatMap(answer => ('error' in answer ? [] : rowsOf(answer)))
    if (rows.length > 0) session.output.table(rows)
    else session.output.line('none')
    for (const answer of answers) if ('error' in answer) session.output.line(`${answer.endpoint}: ${answer.error}`)
  })
}
