import type { Command } from 'commander'
import type { EventData } from '../model/index.ts'
import { onSignals } from '../node/index.ts'
import type { Session, WithSession } from './context.ts'
import { positiveInteger } from './context.ts'
import { QuorateError } from '../model/index.ts'
import type { Output } from './output.ts'

interface EventFlags {
  topic?: string
  after: string
  limit?: string
  reverse?: boolean
}

/** `quorate event`: the events that transactions emit into a scope. */
export function addEventCommands(program: Command, withSession: WithSession): void {
  const event = program.command('event').description('read, follow, emit and compact events')
  event
    .command('list <project> <scope>')
    .description('events in the order of commits, whole commits')
    .option('--topic <topic>', 'only events of this topic')
    .option('--after <seq>', 'exclusive; 0: from the oldest, in reverse from the newest', '0')
    .option('--limit <events>', 'at most so many, unless one commit has more', '100')
    .option('--reverse', 'from the newest on')
    .action(withSession(listEvents))
  event
    .command('follow <project> <scope>')
    .description('prints events, and those to come, until Ctrl-C')
    .option('--topic <topic>', 'only events of this topic')
    .option('--after <seq>', 'exclusive; 0: from the oldest', '0')
    .option('--limit <events>', 'ends after so many')
    .action(withSession(followEvents))
  event
    .command('emit <project> <scope> <topic> <key> <payload>')
    .description('emits one event; the payload is JSON')
    .action(
      withSession(async (session, command) => {
        const [project = '', scope = '', topic = '', key = '', payload = ''] = command.args
        const { seq, token } = await (await session.database()).events(project, { scope }).emit({ topic, key, payload })
        session.output.result({ seq, token }, () => session.output.line(`seq ${seq}`))
      }),
    )
  event
    .command('compact <project> <scope>')
    .description('removes the oldest events that all given bounds allow to go, in the background')
    .option('--max-age-ms <ms>', 'those older than this')
    .option('--keep-last <events>', 'all but so many of the last')
    .action(withSession(compactEvents))
}

async function listEvents(session: Session, command: Command): Promise<void> {
  const { output } = session
  const flags = command.opts<EventFlags & { limit: string }>()
  const page = await (
    await streamOf(session, command)
  ).read({
    after: seqOption(flags.after),
    limit: positiveInteger('--limit', flags.limit),
    ...(flags.reverse === true && { reverse: true }),
  })
  output.result(page, () => {
    for (const event of page.events) print(output, event)
    if (page.more) output.line(`more: --after ${page.events.at(-1)!.seq}`)
    else if (page.events.length === 0) output.line('no events')
  })
}

async function followEvents(session: Session, command: Command): Promise<void> {
  const { after, limit } = command.opts<EventFlags>()
  let left = limit === undefined ? Infinity : positiveInteger('--limit', limit)
  const ending = new AbortController()
  const stopListening = onSignals(['SIGINT', 'SIGTERM'], () => ending.abort())
  try {
    const stream = await streamOf(session, command)
    for await (const event of stream.follow({ after: seqOption(after), signal: ending.signal })) {
      session.output.result(event, () => print(session.output, event))
      if (--left === 0) return
    }
  } finally {
    stopListening()
  }
}

async function compactEvents(session: Session, command: Command): Promise<void> {
  const [project = '', scope = ''] = command.args
  const { maxAgeMs, keepLast } = command.opts<{ maxAgeMs?: string; keepLast?: string }>()
  const { seq, changed } = await (
    await session.database()
  ).ddl({
    type: 'compactEvents',
    project,
    scope,
    ...(maxAgeMs !== undefined && { maxAgeMs: positiveInteger('--max-age-ms', maxAgeMs) }),
    ...(keepLast !== undefined && { keepLast: seqOption(keepLast) }),
  })
  session.output.result({ seq, begun: changed[0] }, () =>
    session.output.line(changed[0] === true ? 'old events are being removed' : 'there is nothing to remove'),
  )
}

async function streamOf(session: Session, command: Command) {
  const [project = '', scope = ''] = command.args
  const { topic } = command.opts<EventFlags>()
  return (await session.database()).events(project, { scope, ...(topic !== undefined && { topic }) })
}

function seqOption(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new QuorateError('invalid_argument', `a whole number from 0, not '${text}'`)
}

function print(output: Output, { seq, topic, key, payload }: EventData): void {
  output.line(`${seq}\t${topic}\t${key}\t${payload}`)
}
