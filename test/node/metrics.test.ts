import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import { checkConfiguration, freePorts, nodePlatform, startNode } from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'

const HOST = '127.0.0.1'
const SAMPLE = /^([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (NaN|[+-]Inf|-?[0-9.e+-]+)$/

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

interface Family {
  readonly help: string
  type: string
  readonly samples: Sample[]
}

/** Reads the text format of Prometheus; anything else fails. */
function parse(text: string): Map<string, Family> {
  const families = new Map<string, Family>()
  let current: [name: string, family: Family] | undefined
  assert.ok(text.endsWith('\n'))
  for (const line of text.slice(0, -1).split('\n')) {
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (word === 'HELP') {
      assert.ok(!families.has(name), `${name} is there twice`)
      current = [name, { help: rest, type: '', samples: [] }]
      families.set(...current)
    } else if (word === 'TYPE') {
      assert.equal(current?.[0], name)
      current[1].type = rest
    } else {
      const match = SAMPLE.exec(line)
      assert.ok(match !== null, `not a sample: ${line}`)
      assert.ok(match[1]!.startsWith(current![0]), `${match[1]} stands under ${current![0]}`)
      const pairs = [...(match[2] ?? '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)]
      const labels = Object.fromEntries(pairs.map(([, label = '', of = '']) => [label, of]))
      current![1].samples.push({ name: match[1]!, labels, value: Number(match[3]!.replace('Inf', 'Infinity')) })
    }
  }
  return families
}

/** A backup of the node, found to be whole. */
async function backUp(url: string): Promise<void> {
  await fetch(url, { method: 'POST', body: '{"name":"one"}' })
  for (;;) {
    const { current } = (await (await fetch(url)).json()) as { current: unknown }
    if (current === null) break
  }
  assert.equal((await fetch(`${url}/one/verify`, { method: 'POST' })).status, 200)
}

/** The table of docs/operate/metrics.md. */
async function documented(): Promise<Map<string, { type: string; labels: string[]; help: string }>> {
  const page = await readFile('docs/operate/metrics.md', 'utf8')
  const rows = page.split('\n').filter(line => line.startsWith('| `'))
  return new Map(
    rows.map(row => {
      const [, name = '', type = '', labels = '', help = ''] = row.split('|').map(cell => cell.trim())
      const named = [...labels.matchAll(/`([a-z_]+)`/g)].map(([, label = '']) => label)
      return [name.replaceAll('`', ''), { type, labels: named, help }]
    }),
  )
}

describe('the metrics of a node', { timeout: 120_000 }, () => {
  let directory: string
  const nodes: RunningNode[] = []
  let families: Map<string, Family>

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-metrics-'))
    const ports = await freePorts(HOST, 4)
    const members = ['n0', 'n1'].map((name, i) => ({
      name,
      peer: `${HOST}:${ports[i]}`,
      client: `${HOST}:${ports[2 + i]}`,
    }))
    const start = (i: number): Promise<RunningNode> => {
      const settings = {
        name: `n${i}`,
        dataDirectory: join(directory, `n${i}`),
        members,
        peer: { port: ports[i] },
        client: { port: ports[2 + i] },
        admin: { port: 0 },
        log: { level: 'silent' },
        storage: { segmentBytes: 1 << 18 },
      }
      return startNode(checkConfiguration(settings, 'test'), nodePlatform)
    }
    nodes.push(...(await Promise.all([start(0), start(1)])))
    await using client = await connect(members.map(member => `ws://${member.client}`))
    await client.ddl({ type: 'createProject', project: 'p' })
    for (let i = 0; i < 30; i++) await client.kv('p').set(`k${i}`, new Uint8Array(100))
    for (let i = 0; i < 10; i++) await client.kv('p').get(`k${i}`)
    await client.ddl({ type: 'createProject', project: 'q' })
    await client.kv('q').set('large', new Uint8Array(20_000))
    await client.kv('q').get('large')
    await assert.rejects(client.kv('q').set('large', new Uint8Array(1), { ifAbsent: true }), {
      code: 'assertion_failed',
    })
    const { leader, members: known } = await client.status()
    const leads = known.findIndex(({ nodeId }) => nodeId === leader?.nodeId)
    const client2 = await fetch(`http://${members[leads]!.client}/v1/kv/p/app/k1`)
    assert.equal(client2.status, 200)
    const admin = nodes[leads]!.adminAddress
    await fetch(`http://${HOST}:${admin.port}/admin/v1/checkpoint`, { method: 'POST' })
    await backUp(`http://${HOST}:${admin.port}/admin/v1/backups`)
    families = parse(await (await fetch(`http://${HOST}:${admin.port}/metrics`)).text())
  })
  after(async () => {
    await Promise.all(nodes.map(node => node.stop('end of the test')))
    await rm(directory, { recursive: true })
  })

  function value(name: string, labels: Record<string, string> = {}): number {
    const found = families
      .get(name)
      ?.samples.find(sample => Object.entries(labels).every(([k, v]) => sample.labels[k] === v))
    assert.ok(found !== undefined, `${name} ${JSON.stringify(labels)}`)
    return found.value
  }

  it('are those of docs/operate/metrics.md, with type, labels and meaning', async () => {
    const pages = await documented()
    assert.deepEqual([...families.keys()].toSorted(), [...pages.keys()].toSorted())
    for (const [name, { type, help, samples }] of families) {
      const page = pages.get(name)!
      assert.deepEqual([type, help], [page.type, page.help], name)
      for (const { labels, name: line } of samples) {
        if (type === 'summary' && /_(sum|count)$/.test(line)) continue
        const own = Object.keys(labels).filter(label => label !== 'le')
        assert.deepEqual(own.toSorted(), page.labels.toSorted(), name)
      }
    }
  })

  it('are named as they are counted: totals are counters, times are seconds, sizes are bytes', () => {
    for (const [name, { type, samples }] of families) {
      assert.equal(name.endsWith('_total'), type === 'counter', name)
      assert.doesNotMatch(name, /_(ms|millis|micros|kb|mb)(_|$)/)
      for (const sample of samples) assert.ok(!Number.isNaN(sample.value), `${name} is no number`)
    }
  })

  it('have histograms whose buckets rise to their count', () => {
    for (const [name, { type, samples }] of families) {
      if (type !== 'histogram') continue
      const without = ({ labels }: Sample): string => JSON.stringify({ ...labels, le: undefined })
      for (const part of new Set(samples.map(without))) {
        const own = samples.filter(sample => without(sample) === part)
        const buckets = own.filter(sample => sample.name === `${name}_bucket`).map(sample => sample.value)
        assert.ok(buckets.length > 2)
        assert.deepEqual(
          buckets,
          buckets.toSorted((x, y) => x - y),
          `${name} ${part}`,
        )
        assert.equal(buckets.at(-1), own.find(sample => sample.name === `${name}_count`)?.value, `${name} ${part}`)
      }
    }
  })

  it('tell what has happened', () => {
    assert.ok(value('quorate_group_commits_total', { reason: 'drained' }) >= 30)
    assert.ok(value('quorate_group_commit_entries', { quantile: '0.999' }) >= 1)
    assert.ok(value('quorate_apply_epoch_entries', { quantile: '0.5' }) >= 1)
    assert.ok(value('quorate_durable_wait_duration_seconds', { quantile: '0.5' }) > 0)
    assert.ok(value('quorate_sessions_opened_total') >= 1)
    const lease = value('quorate_raft_lease_remaining_seconds')
    assert.ok(lease > 0 && lease <= 1, `${lease}`)
    assert.ok(Math.abs(value('quorate_peer_clock_offset_seconds')) < 0.5)
    assert.ok(value('quorate_start_replay_seconds') >= 0)
    assert.ok(value('quorate_log_frames_total') >= 30)
    assert.ok(value('quorate_commit_duration_seconds', { quantile: '0.99' }) > 0)
    assert.ok(value('quorate_sync_duration_seconds', { quantile: '0.5' }) > 0)
    assert.equal(value('quorate_project_keys', { project: 'p' }), 30)
    assert.equal(value('quorate_project_bytes', { project: 'p' }), 20 * 103 + 10 * 102)
    assert.equal(value('quorate_project_committed_total', { project: 'p' }), 30)
    assert.ok(value('quorate_project_reads_total', { project: 'p' }) >= 1)
    assert.ok(value('quorate_transactions_committed_total') >= 31)
    assert.ok(value('quorate_log_written_bytes_total') > 3000)
    const synced = families.get('quorate_log_sync_seconds')!.samples.find(({ name }) => name.endsWith('_count'))!
    assert.ok(synced.value >= 20, `${synced.value} syncs`)
    assert.ok(value('quorate_log_segments') >= 1)
    assert.equal(value('quorate_log_synced_seq') + value('quorate_log_unsynced_entries'), value('quorate_log_last_seq'))
    assert.ok(value('quorate_log_synced_seq') > 30, 'most of the log is synced')
    assert.ok(value('quorate_start_open_seconds') > 0)
    assert.equal(value('quorate_start_opened_seq'), 0, 'it began empty')
    assert.ok(value('quorate_values_cache_budget_bytes') > 0)
    assert.ok(value('quorate_values_cache_hits_total') + value('quorate_values_cache_misses_total') > 0)
    assert.equal(value('quorate_transactions_conflicts_total'), 1)
    assert.equal(value('quorate_log_is_suspect'), 0)
    assert.ok(value('quorate_pages_resident') >= 1)
    assert.ok(value('quorate_pages_budget') > 1000)
    assert.equal(value('quorate_checkpoint_taken_total'), 1)
    assert.ok(value('quorate_checkpoint_duration_seconds') > 0)
    assert.ok(value('quorate_disk_file_bytes', { area: 'log' }) >= 1 << 18)
    assert.ok(value('quorate_disk_free_bytes') > 0)
    assert.equal(value('quorate_raft_role', { role: 'leader' }), 1)
    assert.ok(value('quorate_raft_elections_won_total') >= 1)
    assert.ok(value('quorate_sessions_open') >= 2)
    const [peer] = families.get('quorate_peer_match_seq')!.samples
    assert.ok(peer!.value > 30, 'the peer is far')
    assert.equal(value('quorate_peer_link_is_open', { channel: 'log' }), 1)
    assert.ok(value('quorate_peer_round_trip_seconds') > 0)
    const requests = families.get('quorate_request_seconds')!.samples.filter(({ name }) => name.endsWith('_count'))
    const counts = Object.fromEntries(
      requests.map(({ labels, value: count }) => [`${labels['door']} ${labels['method']}`, count]),
    )
    assert.ok((counts['websocket commit'] ?? 0) + (counts['websocket read'] ?? 0) > 0)
    assert.equal(counts['http any'], 1)
    assert.ok(value('quorate_process_loop_lag_seconds', { quantile: '1' }) >= 0)
  })
})
