import { QuorateError } from '../model/index.ts'
import type { CheckResult, ProbeName } from './probes.ts'

/**
 * The text of a probe: `ok`, or the checks that fail; all of them with `?verbose`. `?exclude=NAME` (repeatable) leaves checks out,
 * `/{probe}/{check}` asks for one. 200 or 503.
 * @throws QuorateError `not_found` for a check that does not exist
 */
export function answerProbe(
  probe: ProbeName,
  checks: readonly CheckResult[],
  query: URLSearchParams,
  only: string | undefined,
): Response {
  const excluded = query.getAll('exclude')
  for (const name of only === undefined ? excluded : [only]) {
    if (!checks.some(check => check.name === name)) throw new QuorateError('not_found', `${probe} has no such check`)
  }
  const looked = checks.filter(({ name }) => (only === undefined ? !excluded.includes(name) : name === only))
  const failed = looked.filter(({ failure }) => failure !== undefined)
  const status = failed.length === 0 ? 200 : 503
  return new Response(textOf(probe, looked, failed, query.has('verbose')), {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  })
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
