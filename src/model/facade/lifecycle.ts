import type { EventReader, EventSelection, EventStream } from '../database-events.ts'
import { LIFECYCLE_TYPES, lifecycleEventOf } from '../lifecycle.ts'
import type {
  LifecycleEvent,
  LifecycleOptions,
  LifecyclePage,
  LifecycleReader,
  LifecycleStream,
  ReadLifecycleOptions,
} from '../lifecycle.ts'
import { requireName, SYSTEM_PLACE } from '../names.ts'
import { requireOneOf } from './arguments.ts'
import type { Connection } from './connection.ts'
import { CoreEventStream } from './event-stream.ts'
import { EventReads } from './event-reads.ts'
import type { ReadSource } from './read-source.ts'

/** What has happened to projects, scopes and tables, out of the events of the database itself. */
export class LifecycleReads implements LifecycleReader {
  readonly #events: EventReader
  readonly #where: Pick<EventSelection, 'where'>

  constructor(events: EventReader, { project }: LifecycleOptions) {
    this.#events = events
    this.#where = whereOf(project)
  }

  async read(options: ReadLifecycleOptions = {}): Promise<LifecyclePage> {
    const { events, ...page } = await this.#events.read({ ...options, ...this.#where })
    return { ...page, events: events.map(lifecycleEventOf) }
  }
}

export function lifecycleReader(source: ReadSource, options: LifecycleOptions = {}): LifecycleReader {
  return new LifecycleReads(new EventReads(source, SYSTEM_PLACE.project, placeOf(options)), options)
}

class CoreLifecycleStream extends LifecycleReads implements LifecycleStream {
  readonly #stream: EventStream
  readonly #project: string | undefined

  constructor(stream: EventStream, options: LifecycleOptions) {
    super(stream, options)
    this.#stream = stream
    this.#project = options.project
  }

  async *follow(
    options: { after?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<LifecycleEvent, void, undefined> {
    const events = this.#stream.follow({ ...options, ...whereOf(this.#project) })
    for await (const event of events) yield lifecycleEventOf(event)
  }
}

export function lifecycleStream(connection: Connection, options: LifecycleOptions = {}): LifecycleStream {
  const stream = new CoreEventStream(connection, SYSTEM_PLACE.project, placeOf(options))
  return new CoreLifecycleStream(stream, options)
}

function placeOf({ type, project }: LifecycleOptions): { scope: string; topic?: string } {
  if (project !== undefined) requireName('project', project)
  requireOneOf('type', type, LIFECYCLE_TYPES)
  return { scope: SYSTEM_PLACE.scope, ...(type !== undefined && { topic: type }) }
}

function whereOf(project: string | undefined): Pick<EventSelection, 'where'> {
  return project === undefined ? {} : { where: { '/project': project } }
}
