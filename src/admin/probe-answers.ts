import { QuorateError, toJson } from '../model/index.ts'
import { startPercent } from './probes.ts'
import type { CheckResult, ProbedRole, ProbeName, StartReading } from './probes.ts'

/** What was asked of a probe. */
export interface ProbeQuestion {
  readonly probe: ProbeName
  readonly query: URLSearchParams
  /** The one check that was asked for, `/{probe}/{check}`. */
  readonly only: string | undefined
}

/** The checks that a question is about. */
interface Looked {
  readonly looked: readonly CheckResult[]
  readonly failed: readonly CheckResult[]
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8' }

/**
 * The text of a probe: `ok`, or the checks that fail; all of them with `?verbose`. `?exclude=NAME` (repeatable) leaves checks out,
 * `/{probe}/{check}` asks for one. 200 or 503.
 * @throws QuorateError `not_found` for a check that does not exist, `invalid_argument` for a parameter that does not
 */
export function answerProbe(question: ProbeQuestion, checks: readonly CheckResult[]): Response {
  const { looked, failed } = look(question, checks)
  const { probe, query } = question
  const text = textOf(probe, looked, failed, query.has('verbose'))
  return new Response(text, { status: failed.length === 0 ? 200 : 503, headers: TEXT })
}

/**
 * `/startupz` as JSON: {status: started | starting | failed, phase, percent of the phase, checks with `?verbose` and where one fails
 * beside the start itself}. The parameters are those of the other probes.
 * @throws QuorateError as `answerProbe`
 */
export function answerStart(question: ProbeQuestion, checks: readonly CheckResult[], start: StartReading): Response {
  const { looked, failed } = look(question, checks)
  const hasFailed = failed.some(({ name }) => name !== 'started')
  const body = {
    status: hasFailed ? 'failed' : start.phase === 'started' ? 'started' : 'starting',
    phase: start.phase,
    percent: start.phase === 'started' ? 100 : startPercent(start),
    ...((hasFailed || question.query.has('verbose')) && { checks: looked }),
  }
  const status = failed.length === 0 ? 200 : 503
  return new Response(`${toJson(body)}\n`, { status, headers: { 'content-type': 'application/json' } })
}

function look({ probe, query, only }: ProbeQuestion, checks: readonly CheckResult[]): Looked {
  requireKnown(query, only === undefined ? ['verbose', 'exclude'] : ['verbose'])
  const excluded = query.getAll('exclude')
  for (const name of only === undefined ? excluded : [only]) {
    if (!checks.some(check => check.name === name)) throw new QuorateError('not_found', `${probe} has no such check`)
  }
  const looked = checks.filter(({ name }) => (only === undefined ? !excluded.includes(name) : name === only))
  return { looked, failed: looked.filter(({ failure }) => failure !== undefined) }
}

function textOf(
  probe: ProbeName,
  looked: readonly CheckResult[],
  failed: readonly CheckResult[],
  isVerbose: boolean,
): string {
  if (failed.length === 0 && !isVerbose) return 'ok\n'
  const lines = (isVerbose ? looked : failed).map(({ name, failure }) =>
    failure === undefined ? `[+]${name} ok` : `[-]${name} failed: ${failure}`,
  )
  lines.push(`${probe} check ${failed.length === 0 ? 'passed' : 'failed'}`)
  return `${lines.join('\n')}\n`
}

/** The parameter that says how a node in a role answers. */
const CODE_OF = { leader: 'leader_code', follower: 'follower_code', none: 'none_code' } as const
/** Statuses that must not have a body. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * `/leaderz`: 200 on the leader and 503 elsewhere; with `?role=follower` 200 on followers. `leader_code`, `follower_code` and `none_code`
 * take the place of the status for a node in that role, for whoever sends requests by the status alone.
 * @throws QuorateError `invalid_argument` for other parameters, one given twice, another role, or no status from 200 to 599
 */
export function answerLeader(role: ProbedRole, query: URLSearchParams): Response {
  requireKnown(query, ['role', ...Object.values(CODE_OF)])
  for (const name of query.keys()) {
    if (query.getAll(name).length > 1) throw new QuorateError('invalid_argument', `${name} is given twice`)
  }
  const wanted = query.get('role') ?? 'leader'
  if (wanted !== 'leader' && wanted !== 'follower') {
    throw new QuorateError('invalid_argument', 'role is leader or follower')
  }
  const codes = Object.entries(CODE_OF).map(([of, name]) => [of, statusOf(name, query.get(name))] as const)
  const status = codes.find(([of]) => of === role)?.[1] ?? (role === wanted ? 200 : 503)
  return new Response(WITHOUT_BODY.has(status) ? null : `${role}\n`, { status, headers: TEXT })
}

/** Whole, for a wrong one is better told by every node than by the one in that role. */
function statusOf(name: string, text: string | null): number | undefined {
  if (text === null) return undefined
  if (!/^[2-5]\d\d$/.test(text)) throw new QuorateError('invalid_argument', `${name} is a status from 200 to 599`)
  return Number(text)
}

function requireKnown(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (!known.includes(name)) {
      throw new QuorateError('invalid_argument', `the parameters of this path are ${known.join(', ')}`)
    }
  }
}
