import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { checkConfiguration, nodePlatform, startNode } from '../../src/node/index.ts'
import type { Endpoint } from '../../src/node/index.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const BASES = [
  '/admin/v1/status',
  '/admin/v1/figures',
  '/admin/v1/audit',
  '/admin/v1/requests',
  '/admin/v1/requests/slow',
  '/admin/v1/checkpoint',
  '/admin/v1/leader/transfer',
  '/admin/v1/requests/cancel',
  '/admin/v1/backups',
  '/admin/v1/backups/stream',
  '/admin/v1/backups/cancel',
  '/admin/v1/',
  '/metrics',
  '/readyz',
  '/startupz',
  '/leaderz',
  '/',
]
const PARTS = [
  '/',
  'verify',
  'manifest.json',
  'x',
  '%',
  '%2e%2e%2f',
  '%ff',
  '..',
  '?',
  '&',
  '=',
  'limit=1',
  'limit=-1',
  'before_seq=9e99',
  'to=n0',
  'to=',
  'term=x',
  '9'.repeat(20),
  '{',
  ';',
  '\\',
]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']
const BODIES = [
  '',
  '{',
  '[]',
  '{}',
  'null',
  '"x"',
  '{"to":1}',
  '{"to":"n9"}',
  '{"thresholdMs":-1}',
  '{"__proto__":{"to":"n0"}}',
]

interface Answer {
  readonly status: number
  readonly text: string
}

/** As it is given, without what `fetch` makes of a path. */
function ask({ host, port }: Endpoint, method: string, path: string, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { connection: 'close', ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) }
    const sent = request({ host, port, method, path, headers }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode!, text }))
    })
    sent.on('error', reject).end(body)
  })
}

it(
  `any request to the admin port gets an answer with a code, and never a fault (seed ${seed})`,
  { timeout: 120_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-admin-fuzz-'))
    const any = { port: 0 }
    const settings = {
      dataDirectory: join(directory, 'data'),
      client: any,
      peer: any,
      admin: any,
      log: { level: 'silent' },
    }
    const node = await startNode(checkConfiguration(settings, 'test'), nodePlatform)
    try {
      const random = new SeededRandom(seed)
      const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!
      for (let round = 0; round < 600; round++) {
        const path = pick(BASES) + Array.from({ length: random.below(5) }, () => pick(PARTS)).join('')
        const method = pick(METHODS)
        const body = method === 'GET' || method === 'HEAD' ? undefined : pick(BODIES)
        const { status, text } = await ask(node.adminAddress, method, path, body)
        const what = `${method} ${path} ${body}: ${status} ${text}`
        assert.notEqual(status, 500, what)
        const isProbe = /^\/(readyz|startupz|leaderz)/.test(path)
        if (status < 400 || method === 'HEAD' || isProbe) continue
        assert.equal(typeof (JSON.parse(text) as { code?: unknown }).code, 'string', what)
      }
      // A disk that stands still for a while may have cost it its leadership for a moment.
      while ((await ask(node.adminAddress, 'GET', '/readyz')).status !== 200) await setTimeout(20)
      const alone = await ask(node.adminAddress, 'POST', '/admin/v1/leader/transfer', '{}')
      assert.deepEqual(
        [alone.status, JSON.parse(alone.text).code, JSON.parse(alone.text).retryable],
        [503, 'unavailable', true],
      )
    } finally {
      await node.stop('end of the test')
      await rm(directory, { recursive: true })
    }
  },
)
