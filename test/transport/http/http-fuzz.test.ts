import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SeededRandom } from '../../../src/platform/simulated/index.ts'
import { HttpRig } from './http-rig.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const PARTS = [
  '/',
  'v1',
  'kv',
  'tables',
  'query',
  'explain=true',
  'diagnostics=true',
  'p',
  'app',
  'a',
  '%',
  '%41',
  '%ff',
  '..',
  '.',
  '?',
  '&',
  '=',
  'limit=2',
  'min_seq=',
  'cursor=',
  'prefix=',
  'ttl_ms=',
  '9'.repeat(20),
  'ä',
  '{',
  '[',
  ';',
  '+',
  '\\',
]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']
const BODIES = [
  '',
  '{',
  '[]',
  '{}',
  'null',
  '{"mutations":[]}',
  '{"mutations":[{"type":"kvSet"}]}',
  '{"mutations":[{"type":"kvSet","project":"p","key":{"$b":"!"},"value":{"$b":""}}]}',
  '{"project":"p","from":"t","limit":1}',
  '{"project":"p","from":"t","where":{"op":"and","args":[{"op":"in","column":"a","values":[null,{"$b":"AA=="},{}]}]}}',
  '{"mutations":[{"type":"insert","project":"p","table":"t","rows":[{"__proto__":1},{"a":{"$b":1}}]}]}',
  '{"type":"createTable","project":"p","table":"t","columns":[],"primaryKey":[]}',
  '{"__proto__":{"mutations":[]}}',
  '[[[[',
  '"x"',
]

it(`any target, method and body gets an answer with a code, and never a fault (seed ${seed})`, async () => {
  const rig = await HttpRig.open()
  const random = new SeededRandom(seed)
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!
  const bases = [
    '/v1/kv/p/app/',
    '/v1/kv/p/app?',
    '/v1/commit',
    '/v1/ddl',
    '/v1/query',
    '/v1/tables/p/app',
    '/v1/',
    '/v1/kv/',
    '/',
  ]
  for (let round = 0; round < 500; round++) {
    const target = pick(bases) + Array.from({ length: random.below(6) }, () => pick(PARTS)).join('')
    const method = pick(METHODS)
    const body = method === 'GET' || method === 'HEAD' ? undefined : pick(BODIES)
    const headers = random.below(4) === 0 ? { 'idempotency-key': pick(['', 'x'.repeat(200), 'k', 'a b']) } : {}
    const answer = await rig.ask(method, target, { headers, ...(body !== undefined && { body }) })
    assert.notEqual(answer.status, 500, `${method} ${target} ${body} ${JSON.stringify(answer.body)}`)
    if (answer.status >= 400 && method !== 'HEAD')
      assert.equal(typeof answer.body?.code, 'string', `${method} ${target}`)
  }
  assert.deepEqual(rig.faults, [])
})
