import exec from 'k6/execution'
import { project } from './config.ts'
import { commit, keyPath, moveOn, place, send } from './http.ts'
import { duplicated, lost, stale } from './metrics.ts'

/** What `setup` gives to every virtual user. */
export interface RunData {
  /** Prefix of all keys of this run. */
  readonly run: string
}

const VALUE = 'x'.repeat(256)
const REMEMBERED = 50
/** Keys that all read, written before the load begins. */
export const HOT_KEYS = 200

export interface Own {
  /** Increments that were acknowledged, counting those whose number a later answer told. */
  count: number
  /** Increments since then of which nobody knows if they were applied. */
  unknown: number
}

/** Each virtual user's own: nobody else writes to it, so its user knows what it must be. */
const own: Own = { count: 0, unknown: 0 }
/** Of this user's last acknowledged increment. */
let ownToken: string | undefined
const written: { key: string; seq: string }[] = []

function uniqueName(): string {
  return `${exec.vu.idInTest}-${exec.scenario.iterationInTest}-${exec.scenario.name}`
}

/** A number of this user was told or read: judges it. */
export function judgeOwn(state: Own, found: number, from: number): void {
  if (found < from) lost.add(from - found)
  if (found > from + state.unknown) duplicated.add(found - from - state.unknown)
  state.count = found
  state.unknown = 0
}

/**
 * One commit: adds 1 to this user's own counter and to one of `shared` that all use. Its own number must then be the next one, and at the
 * end the sums of both kinds must be equal.
 */
export function increment({ run }: RunData, shared: number): void {
  const amount = { type: 'kvIncrement', by: 1, width: 64 }
  const name = uniqueName()
  const answer = commit('increment', `${run}-${name}`, {
    mutations: [
      { ...amount, ...place(`${run}/own/${exec.vu.idInTest}`) },
      { ...amount, ...place(`${run}/shared/${Math.floor(Math.random() * shared)}`) },
    ],
  })
  if (answer === undefined) {
    own.unknown++
    return
  }
  judgeOwn(own, Number(answer.results[0]), own.count + 1)
  ownToken = answer.token
}

/** Reads this user's own counter, linearizable from any node or at least as new as its last write. */
export function readOwn({ run }: RunData): void {
  if (ownToken === undefined) return
  moveOn()
  const isTokenRead = Math.random() < 0.5
  const query = isTokenRead ? `?min_seq=${encodeURIComponent(ownToken)}` : ''
  const answer = send({
    op: isTokenRead ? 'read min_seq' : 'read',
    method: 'GET',
    path: `${keyPath(`${run}/own/${exec.vu.idInTest}`)}${query}`,
  })
  if (answer === undefined) return
  if (answer.status === 404) lost.add(own.count)
  else if (answer.status !== 200) throw new Error(`read: ${answer.status} ${answer.body}`)
  const seq = Number(answer.headers['Quorate-Seq'] ?? 0)
  if (seq < Number(ownToken.split(':')[1])) stale.add(1)
}

/** Writes a key that is never written again, and now and then looks if an earlier one is there and was written once. */
export function writeUnique({ run }: RunData): void {
  const key = `${run}/unique/${uniqueName()}`
  const answer = send({ op: 'write', method: 'PUT', path: keyPath(key), body: VALUE, idempotencyKey: key })
  if (answer === undefined) return
  if (answer.status !== 200) throw new Error(`write: ${answer.status} ${answer.body}`)
  const { seq } = JSON.parse(answer.body) as { seq: number }
  written.push({ key, seq: String(seq) })
  if (written.length > REMEMBERED) written.shift()
  if (Math.random() < 0.2) verifyUnique()
}

function verifyUnique(): void {
  const { key, seq } = written[Math.floor(Math.random() * written.length)]!
  moveOn()
  const answer = send({ op: 'verify', method: 'GET', path: keyPath(key) })
  if (answer === undefined) return
  if (answer.status === 404) lost.add(1)
  else if (answer.status !== 200) throw new Error(`verify: ${answer.status} ${answer.body}`)
  else if (answer.headers['Quorate-Seq'] !== seq) duplicated.add(1)
}

export function readHot({ run }: RunData): void {
  const key = `${run}/hot/${Math.floor(Math.random() * HOT_KEYS)}`
  const answer = send({ op: 'read', method: 'GET', path: keyPath(key) })
  if (answer === undefined) return
  if (answer.status === 404) lost.add(1)
  else if (answer.status !== 200) throw new Error(`read: ${answer.status} ${answer.body}`)
}

export function prepareHot(run: string): void {
  for (let from = 0; from < HOT_KEYS; from += 50) {
    const mutations = Array.from({ length: 50 }, (_, i) => ({
      type: 'kvSet',
      ...place(`${run}/hot/${from + i}`),
      value: { $b: '' },
    }))
    if (commit('prepare', `${run}-hot-${from}`, { mutations }) === undefined)
      throw new Error('the cluster did not answer')
  }
}

export function prepareProject(run: string): void {
  const body = JSON.stringify({ type: 'createProject', project, ifNotExists: true })
  const answer = send({ op: 'prepare', method: 'POST', path: '/v1/ddl', body, idempotencyKey: `${run}-project` })
  if (answer?.status !== 200) throw new Error(`createProject: ${answer?.status} ${answer?.body}`)
}
