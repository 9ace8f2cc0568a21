import { DEFAULT_SCOPE } from '../../encoding/index.ts'
import { formatToken, parseToken } from '../consistency.ts'
import type { CoreWatchEvent, WatchEvent, WatchOptions, WatchSelector } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { requireName } from '../names.ts'
import { requireKeyBytes } from './arguments.ts'
import type { Connection } from './connection.ts'
import { withSignal } from './shared-signal.ts'
import { PinnedView } from './view.ts'

const NO_PREFIX = new Uint8Array(0)

/** The events of `selector`, from its first step on; see `Database.watch`. A consumer closes the view of a `reset`. */
export async function* watchDatabase(
  connection: Connection,
  selector: WatchSelector,
  options: WatchOptions = {},
): AsyncGenerator<WatchEvent, void, undefined> {
  const { project, scope = DEFAULT_SCOPE, prefix = NO_PREFIX } = selector
  const { from, signal } = options
  requireName('project', project)
  requireName('scope', scope)
  requireKeyBytes(prefix)
  if (from !== undefined) parseToken(from)
  if (isAborted(signal)) return
  const events = connection.core.watch(
    { project, scope, prefix },
    { ...connection.plainOptions, ...withSignal(signal), ...(from !== undefined && { from }) },
  )
  try {
    for await (const event of events) yield publicEvent(connection, event)
  } catch (error) {
    if (isAborted(signal)) return
    throw error
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function publicEvent(connection: Connection, event: CoreWatchEvent): WatchEvent {
  const token = formatToken(event.historyId, event.seq)
  switch (event.type) {
    case 'commit':
      return { type: 'commit', seq: event.seq, token, changes: event.changes }
    case 'progress':
      return { type: 'progress', seq: event.seq, token }
    case 'reset':
      return { type: 'reset', seq: event.seq, token, view: new PinnedView(connection, event.view) }
    default:
      throw new QuorateError('internal', `an unknown event: ${JSON.stringify(event)}`)
  }
}
