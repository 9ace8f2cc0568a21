import type { Command } from 'commander'
import { LIFECYCLE_TYPES, QuorateError } from '../model/index.ts'
import type { LifecycleEvent, LifecycleOptions } from '../model/index.ts'
import { onSignals } from '../node/index.ts'
import type { Session, WithSession } from './context.ts'
import { positiveInteger } from './context.ts'
import type { Output } from './output.ts'
import { timeOption } from './time-option.ts'

interface ListFlags {
  fromTime?: string
  toTime?: string
  after: string
  limit: string
  reverse?: boolean
}

/** `quorate lifecycle`: what happens to projects, scopes and tables. */
export function addLifecycleCommands(program: Command, withSession: WithSession): void {
  const lifecycle = program.command('lifecycle').description('what happens to projects, scopes and tables')
  lifecycle
    .command('list [project]')
    .description('in the order of commits, whole commits')
    .option('--type <type>', `only ${LIFECYCLE_TYPES.join(', ')}`)
    .option('--from-time <time>', 'from this leader time on (ISO 8601)')
    .option('--to-time <time>', 'before this leader time (ISO 8601)')
    .option('--after <seq>', 'exclusive; 0: from the oldest, in reverse from the newest', '0')
    .option('--limit <events>', 'at most so many, unless one commit has more', '100')
    .option('--reverse', 'from the newest on')
    .action(withSession(list))
  lifecycle
    .command('follow [project]')
    .description('what has happened, and what will, until Ctrl-C')
    .option('--type <type>', `only ${LIFECYCLE_TYPES.join(', ')}`)
    .option('--after <seq>', 'exclusive; 0: from the oldest', '0')
    .option('--limit <events>', 'ends after so many')
    .action(withSession(follow))
}

async function list(session: Session, command: Command): Promise<void> {
  const { output } = session
  const { fromTime, toTime, after, limit, reverse } = command.opts<ListFlags>()
  const page = await (await session.database()).lifecycle(optionsOf(command)).read({
    ...(fromTime !== undefined && { fromMicros: timeOption(fromTime) }),
    ...(toTime !== undefined && { toMicros: timeOption(toTime) }),
    after: seqOption(after),
    limit: positiveInteger('--limit', limit),
    ...(reverse === true && { reverse: true }),
  })
  output.result(page, () => {
    for (const event of page.events) print(output, event)
    if (page.next !== undefined) output.line(`more: --after ${page.next}`)
    else if (page.events.length === 0) output.line('nothing')
  })
}

async function follow(session: Session, command: Command): Promise<void> {
  const { after, limit } = command.opts<{ after: string; limit?: string }>()
  let left = limit === undefined ? Infinity : positiveInteger('--limit', limit)
  const ending = new AbortController()
  const stopListening = onSignals(['SIGINT', 'SIGTERM'], () => ending.abort())
  try {
    const stream = (await session.database()).lifecycle(optionsOf(command))
    for await (const event of stream.follow({ after: seqOption(after), signal: ending.signal })) {
      session.output.result(event, () => print(session.output, event))
      if (--left === 0) return
    }
  } finally {
    stopListening()
  }
}

function optionsOf(command: Command): LifecycleOptions {
  const [project] = command.args
  const { type: wanted } = command.opts<{ type?: string }>()
  const type = LIFECYCLE_TYPES.find(known => known === wanted)
  if (wanted !== undefined && type === undefined) {
    throw new QuorateError('invalid_argument', `--type is one of ${LIFECYCLE_TYPES.join(', ')}`)
  }
  return { ...(project !== undefined && { project }), ...(type !== undefined && { type }) }
}

function seqOption(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new QuorateError('invalid_argument', `a whole number from 0, not '${text}'`)
}

function print(output: Output, { seq, type, project, scope, table, from, change }: LifecycleEvent): void {
  const place = [project, scope, table].filter(name => name !== undefined).join('/')
  const detail = from === undefined ? (change ?? '') : `from ${from}`
  output.line([seq, type, place, detail].join('\t').trimEnd())
}
