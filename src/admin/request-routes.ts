import { QuorateError } from '../model/index.ts'
import type { RunningRequests, SlowRequests } from '../model/index.ts'
import type { AdminPeer } from './admin-app.ts'
import { notAllowed } from './error-answer.ts'
import { json, numberOf } from './json-answer.ts'
import type { App } from './probe-routes.ts'

const PATH = '/admin/v1/requests'
const LISTED = 100
const LISTED_MAX = 10_000
const THRESHOLD_MS_MAX = 3_600_000
/** Of an id in the log. */
const ID_CHARACTERS_MAX = 80

/**
 * Adds a path that changes something, with the `fields` that its body may have: audited, with `what` it is about where that says more than the
 * path; `methods` where POST is not the only one.
 */
export type Act = (
  path: string,
  fields: readonly string[],
  run: (body: Record<string, unknown>) => Promise<Response>,
  what?: (body: Record<string, unknown>) => string | undefined,
  methods?: string,
) => void

export interface RequestRoutes {
  readonly app: App
  readonly running: RunningRequests
  readonly slow: SlowRequests
  /** Who asks. @throws QuorateError `unauthenticated` */
  readonly as: (request: Request, peer: AdminPeer) => string
  readonly act: Act
}

/** What a node is busy with, what took long, and how to end it. */
export function addRequestRoutes({ app, running, slow, as, act }: RequestRoutes): void {
  app.get(PATH, c => {
    as(c.req.raw, c.env)
    const limit = numberOf(c.req.query('limit'), 'limit', LISTED, LISTED_MAX)
    const all = running.list()
    return json({ count: all.length, requests: all.slice(0, limit) })
  })
  app.all(PATH, () => notAllowed('GET, HEAD'))
  app.get(`${PATH}/slow`, c => {
    as(c.req.raw, c.env)
    const limit = numberOf(c.req.query('limit'), 'limit', LISTED, LISTED_MAX)
    return json({ thresholdMs: slow.thresholdMs, count: slow.count, requests: slow.list().slice(0, limit) })
  })
  act(
    `${PATH}/slow`,
    ['thresholdMs'],
    async ({ thresholdMs }) => {
      if (!Number.isSafeInteger(thresholdMs) || Number(thresholdMs) < 0 || Number(thresholdMs) > THRESHOLD_MS_MAX) {
        throw new QuorateError('invalid_argument', `thresholdMs is a whole number up to ${THRESHOLD_MS_MAX}`)
      }
      slow.thresholdMs = Number(thresholdMs)
      return json({ thresholdMs: slow.thresholdMs })
    },
    undefined,
    'GET, HEAD, POST',
  )
  act(
    `${PATH}/cancel`,
    ['id'],
    async ({ id }) => {
      if (typeof id !== 'string') throw new QuorateError('invalid_argument', 'id is the id of a request')
      running.cancel(id)
      return json({ id, cancelled: true })
    },
    ({ id }) => (typeof id === 'string' ? id.slice(0, ID_CHARACTERS_MAX) : undefined),
  )
}
