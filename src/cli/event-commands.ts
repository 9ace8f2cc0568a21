import type { Command } from 'commander'
import type { EventData, EventSelection } from '../model/index.ts'
import { onSignals } from '../node/index.ts'
import type { Session, WithSession } from './context.ts'
import { positiveInteger } from './context.ts'
import { QuorateError } from '../model/index.ts'
import type { Output } from './output.ts'
import { timeOption } from './time-option.ts'

interface SelectionFlags {
  topic?: string
  key?: string
  where: readonly string[]
}

interface ListFlags extends SelectionFlags {
  fromSeq?: string
  toSeq?: string
  fromTime?: string
  toTime?: string
  after: string
  limit: string
  reverse?: boolean
}

/** `quorate event`: the events that transactions emit into a scope. */
export function addEventCommands(program: Command, withSession: WithSession): void {
  const event = program.command('event').description('find, read, follow, emit and compact events')
  selecting(event.command('list <project> [scope]'))
    .description(
      'events in the order of commits, whole commits; without a scope of all scopes that the caller may read',
    )
    .option('--from-seq <seq>', 'from this seq on')
    .option('--to-seq <seq>', 'up to this seq')
    .option('--from-time <time>', 'from this leader time on (ISO 8601)')
    .option('--to-time <time>', 'before this leader time (ISO 8601)')
    .option('--after <seq>', 'exclusive; 0: from the oldest, in reverse from the newest', '0')
    .option('--limit <events>', 'at most so many, unless one commit has more', '100')
    .option('--reverse', 'from the newest on')
    .action(withSession(listEvents))
  selecting(event.command('follow <project> <scope>'))
    .description('prints events, and those to come, until Ctrl-C')
    .option('--after <seq>', 'exclusive; 0: from the oldest', '0')
    .option('--limit <events>', 'ends after so many')
    .action(withSession(followEvents))
  event
    .command('summary <project> <scope>')
    .description('how many events there are, of which topics, from when to when')
    .option('--topic <topic>', 'only this topic')
    .option('--after-topic <topic>', 'topics after this one, by name')
    .option('--topics <number>', 'topics at most', '100')
    .action(withSession(summarizeEvents))
  event
    .command('commit <seq>')
    .description('what the commit of this seq has emitted, into whatever scope')
    .action(withSession(showCommit))
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
    .option('--max-events <events>', 'at most so many, but never fewer than those of one commit')
    .action(withSession(compactEvents))
}

function selecting(command: Command): Command {
  return command
    .option('--topic <topic>', 'only events of this topic')
    .option('--key <key>', 'only events of this key')
    .option(
      '--where <pointer=value>',
      'what payloads have, as JSON or else as text: /customer/id=17 (all that are given)',
      (value: string, given: readonly string[]) => [...given, value],
      [],
    )
}

async function listEvents(session: Session, command: Command): Promise<void> {
  const { output } = session
  const [project = '', scope] = command.args
  const flags = command.opts<ListFlags>()
  const { topic, fromSeq, toSeq, fromTime, toTime } = flags
  const database = await session.database()
  const ofTopic = topic === undefined ? {} : { topic }
  const events =
    scope === undefined ? database.projectEvents(project, ofTopic) : database.events(project, { scope, ...ofTopic })
  const page = await events.read({
    ...selectionOf(flags),
    ...(fromSeq !== undefined && { fromSeq: seqOption(fromSeq) }),
    ...(toSeq !== undefined && { toSeq: seqOption(toSeq) }),
    ...(fromTime !== undefined && { fromMicros: timeOption(fromTime) }),
    ...(toTime !== undefined && { toMicros: timeOption(toTime) }),
    after: seqOption(flags.after),
    limit: positiveInteger('--limit', flags.limit),
    ...(flags.reverse === true && { reverse: true }),
  })
  output.result(page, () => {
    for (const event of page.events) print(output, event)
    if (page.next !== undefined) output.line(`more: --after ${page.next}`)
    else if (page.events.length === 0) output.line('no events')
  })
}

async function followEvents(session: Session, command: Command): Promise<void> {
  const flags = command.opts<SelectionFlags & { after: string; limit?: string }>()
  const { after, limit } = flags
  let left = limit === undefined ? Infinity : positiveInteger('--limit', limit)
  const ending = new AbortController()
  const stopListening = onSignals(['SIGINT', 'SIGTERM'], () => ending.abort())
  try {
    const stream = await streamOf(session, command)
    const following = { ...selectionOf(flags), after: seqOption(after), signal: ending.signal }
    for await (const event of stream.follow(following)) {
      session.output.result(event, () => print(session.output, event))
      if (--left === 0) return
    }
  } finally {
    stopListening()
  }
}

async function summarizeEvents(session: Session, command: Command): Promise<void> {
  const { output } = session
  const { afterTopic, topics } = command.opts<{ afterTopic?: string; topics: string }>()
  const stream = await streamOf(session, command)
  const summary = await stream.summary({
    ...(afterTopic !== undefined && { afterTopic }),
    topics: positiveInteger('--topics', topics),
  })
  output.result(summary, () => {
    const { events, bytes, removed, removedThroughSeq, first, last, moreTopics } = summary
    const span = first === undefined || last === undefined ? '' : ` of seq ${first.seq} to ${last.seq}`
    output.line(`${events} events${span}, ${bytes} bytes`)
    if (removed > 0) output.line(`${removed} removed, through seq ${removedThroughSeq}`)
    const rows = summary.topics.map(row => ({
      topic: row.topic,
      events: row.events,
      bytes: row.bytes,
      'first seq': row.firstSeq,
      'last seq': row.last.seq,
      'last time us': row.last.timeMicros,
    }))
    if (rows.length > 0) output.table(rows)
    if (moreTopics) output.line(`more: --after-topic ${summary.topics.at(-1)!.topic}`)
  })
}

async function showCommit(session: Session, command: Command): Promise<void> {
  const { output } = session
  const [seq = ''] = command.args
  const found = await (await session.database()).commitEvents(seqOption(seq))
  output.result(found, () => {
    for (const event of found.events) print(output, event)
    if (found.mayBeRemoved) output.line('events of this seq may have been removed')
    else if (found.events.length === 0) output.line('no events')
  })
}

/** @throws QuorateError `invalid_argument` */
function selectionOf({ key, where }: SelectionFlags): Pick<EventSelection, 'key' | 'where'> {
  const conditions = where.map(text => {
    const at = text.indexOf('=')
    if (at < 0) throw new QuorateError('invalid_argument', `--where ${text}: a JSON pointer, =, a value`)
    return [text.slice(0, at), scalarOf(text.slice(at + 1))] as const
  })
  return {
    ...(key !== undefined && { key }),
    ...(conditions.length > 0 && { where: Object.fromEntries(conditions) }),
  }
}

/** A JSON text, number, true, false or null; anything else is a text as it stands. */
function scalarOf(text: string): string | number | boolean | null {
  try {
    const value: unknown = JSON.parse(text)
    if (value === null || typeof value === 'number' || typeof value === 'boolean') return value
    return typeof value === 'string' ? value : text
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return text
  }
}

async function compactEvents(session: Session, command: Command): Promise<void> {
  const { maxAgeMs, keepLast, maxEvents } = command.opts<{ maxAgeMs?: string; keepLast?: string; maxEvents?: string }>()
  const report = await (
    await streamOf(session, command)
  ).compact({
    ...(maxAgeMs !== undefined && { maxAgeMs: positiveInteger('--max-age-ms', maxAgeMs) }),
    ...(keepLast !== undefined && { keepLast: seqOption(keepLast) }),
    ...(maxEvents !== undefined && { maxEvents: positiveInteger('--max-events', maxEvents) }),
  })
  session.output.result(report, () => {
    const { events, fromSeq, throughSeq, left, isDone } = report
    if (events === 0) return session.output.line('there is nothing to remove')
    const what = `${events} events of seq ${fromSeq} to ${throughSeq} ${isDone ? 'are removed' : 'are being removed'}`
    session.output.line(left === 0 ? what : `${what}, ${left} more are left`)
  })
}

async function streamOf(session: Session, command: Command) {
  const [project = '', scope = ''] = command.args
  const { topic } = command.opts<{ topic?: string }>()
  return (await session.database()).events(project, { scope, ...(topic !== undefined && { topic }) })
}

function seqOption(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new QuorateError('invalid_argument', `a whole number from 0, not '${text}'`)
}

function print(output: Output, { seq, project, scope, topic, key, payload }: EventData): void {
  const place = scope === undefined ? '' : `\t${project}/${scope}`
  output.line(`${seq}${place}\t${topic}\t${key}\t${payload}`)
}
