import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { before, describe, it } from 'node:test'
import { parse } from 'yaml'

interface Rule {
  alert: string
  expr: string
  for?: string
  labels: { severity: string }
  annotations: { summary: string; description?: string }
}

interface Panel {
  id: number
  type: string
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets?: { refId: string; expr: string; legendFormat: string }[]
}

/** Labels that Prometheus gives to every sample. */
const SCRAPED = ['instance', 'job']

describe('what deploy/monitoring asks Prometheus for', () => {
  /** docs/operate/metrics.md, which another test holds against what a node says. */
  const known = new Map<string, { type: string; labels: string[] }>()
  let rules: Rule[]
  let panels: Panel[]
  let files: string[]

  before(async () => {
    for (const row of (await readFile('docs/operate/metrics.md', 'utf8')).split('\n')) {
      const [, name, type = '', labels = ''] = /^\| `([a-z_]+)` \| ([a-z]+) \| ([^|]*)\|/.exec(row) ?? []
      if (name !== undefined)
        known.set(name, { type, labels: Array.from(labels.matchAll(/`([a-z_]+)`/g), ([, label]) => label!) })
    }
    const alerts = parse(await readFile('deploy/monitoring/alerts.yaml', 'utf8')) as { groups: { rules: Rule[] }[] }
    rules = alerts.groups.flatMap(group => group.rules)
    panels = (JSON.parse(await readFile('deploy/monitoring/dashboard.json', 'utf8')) as { panels: Panel[] }).panels
    const prometheus = parse(await readFile('deploy/monitoring/prometheus.yaml', 'utf8')) as { rule_files: string[] }
    files = prometheus.rule_files
  })

  /** The series of an expression with the labels that are asked of each; those of aggregations last, under ''. */
  function seriesOf(expr: string): { name: string; labels: string[] }[] {
    const bare = expr.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    const found = Array.from(bare.matchAll(/\b((?:quorate|process|nodejs)_[a-z_]+)(?:\{([^}]*)\})?/g)).map(
      ([, name, selector = '']) => ({
        name: name!,
        labels: Array.from(selector.matchAll(/([a-z_]+)\s*[=!]/g), ([, label]) => label!),
      }),
    )
    const grouped = Array.from(bare.matchAll(/\b(?:by|without) \(([^)]*)\)/g)).flatMap(([, names = '']) =>
      names.split(',').map(name => name.trim()),
    )
    return [...found, { name: '', labels: grouped }]
  }

  function check(where: string, expr: string): void {
    assert.equal(expr.split('(').length, expr.split(')').length, `${where}: brackets of ${expr}`)
    const series = seriesOf(expr)
    const all = new Set<string>([...SCRAPED, 'le'])
    for (const { name, labels } of series.slice(0, -1)) {
      const base = known.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')
      const metric = known.get(base)
      assert.ok(metric !== undefined, `${where}: no node says ${name}`)
      assert.ok(
        base === name || ['histogram', 'summary'].includes(metric.type),
        `${where}: ${name} of a ${metric.type}`,
      )
      assert.ok(name !== base || metric.type !== 'histogram', `${where}: ${name} is a histogram`)
      const isCounted = metric.type === 'counter' || name !== base
      const isRate = new RegExp(`\\b(rate|increase)\\(${name}\\b`).test(expr)
      assert.equal(isRate, isCounted, `${where}: a rate is of a counter, and a counter is shown as a rate: ${name}`)
      for (const label of metric.labels) all.add(label)
      for (const label of labels)
        assert.ok([...metric.labels, ...SCRAPED].includes(label), `${where}: ${name}{${label}}`)
    }
    for (const label of series.at(-1)!.labels) assert.ok(all.has(label), `${where}: by ${label}`)
  }

  it('in alerts are figures that nodes have, and every alert says what it means', () => {
    assert.ok(rules.length > 15)
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
    for (const { alert, expr, for: period = '0s', labels, annotations } of rules) {
      check(alert, expr)
      assert.match(alert, /^Quorate[A-Z][A-Za-z]+$/)
      assert.match(period, /^\d+[smh]$/, alert)
      assert.ok(['critical', 'warning'].includes(labels.severity), alert)
      assert.ok(annotations.summary.length > 10, alert)
    }
    assert.deepEqual(files, ['alerts.yaml'])
  })

  it('in the dashboard are figures that nodes have, in panels that do not lie on each other', () => {
    const drawn = panels.filter(({ type }) => type !== 'row')
    assert.ok(drawn.length > 25)
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    const taken = new Set<string>()
    for (const { title, gridPos, targets = [] } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(x < 24 && !taken.has(`${x} ${y}`), `${title} at ${x}, ${y}`)
          taken.add(`${x} ${y}`)
        }
      }
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length)
      for (const { expr, legendFormat } of targets) {
        check(title, expr)
        const labels = seriesOf(expr).flatMap(({ name }) => known.get(name.replace(/_bucket$/, ''))?.labels ?? [])
        for (const [, label] of legendFormat.matchAll(/\{\{([a-z_]+)\}\}/g))
          assert.ok([...labels, ...SCRAPED].includes(label!), `${title}: ${label}`)
      }
    }
  })
})
