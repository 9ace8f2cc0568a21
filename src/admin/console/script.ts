export const CONSOLE_SCRIPT: string = `'use strict'
const REFRESH_MS = 2000
/** A node that hangs answers nothing at all. */
const ANSWER_MS = 5000
/** Rates and percentiles are of this long. */
const WINDOW_MS = 30000
const CHART_POINTS = 60
const LAG_ENTRIES_MAX = 10000
const CERTIFICATE_DAYS_MIN = 21
const CHECKPOINT_AGE_SECONDS_MAX = 900
/** What a check is called while it holds, where its name says the contrary. */
const SOUND_NAMES = { fenced: 'not fenced', draining: 'not draining' }
const at = id => document.getElementById(id)
let token = sessionStorage.getItem('token') ?? ''
/** Figures of the last WINDOW_MS, oldest first. */
let readings = []
let rates = []

function element(name, text, className) {
  const made = document.createElement(name)
  if (text !== undefined) made.textContent = text
  if (className !== undefined) made.className = className
  return made
}

function say(text, isTrouble) {
  at('state').textContent = text
  at('state').className = isTrouble ? 'trouble' : 'good'
}

/** Samples by name, each {labels, value}, out of the text that monitoring reads. */
function parseFigures(text) {
  const found = new Map()
  for (const line of text.split('\\n')) {
    const match = /^([a-z_:][a-z0-9_:]*)(?:\\{(.*)\\})? (\\S+)$/.exec(line)
    if (match === null) continue
    const labels = {}
    for (const [, name, value] of (match[2] ?? '').matchAll(/([a-z_]+)="((?:[^"\\\\]|\\\\.)*)"/g)) labels[name] = value
    const samples = found.get(match[1]) ?? []
    samples.push({ labels, value: match[3] === '+Inf' ? Infinity : Number(match[3]) })
    found.set(match[1], samples)
  }
  return found
}

const samplesOf = (figures, name) => figures.get(name) ?? []
const valueOf = (figures, name, labels = {}) => samplesOf(figures, name).find(
  sample => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))?.value

const whole = value => value === undefined ? '\\u2013' : Math.round(value).toLocaleString('en')
function bytes(value) {
  if (value === undefined) return '\\u2013'
  let unit = 0
  while (value >= 1024 && unit < 5) { value /= 1024; unit++ }
  return (unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit]
}
function seconds(value) {
  if (value === undefined) return '\\u2013'
  if (value < 0.001) return Math.round(value * 1e6) + ' \\u00b5s'
  if (value < 1) return (value * 1000).toFixed(value < 0.1 ? 1 : 0) + ' ms'
  if (value < 120) return value.toFixed(value < 10 ? 1 : 0) + ' s'
  return value < 7200 ? Math.round(value / 60) + ' min' : Math.round(value / 3600) + ' h'
}

/** What a histogram has counted between two readings: [upper bound, count], rising; labels as given, the rest summed. */
function countedBetween(before, now, name, labels) {
  const counts = new Map()
  for (const [figures, sign] of [[now, 1], [before, -1]]) {
    for (const sample of samplesOf(figures, name + '_bucket')) {
      if (Object.entries(labels).some(([label, value]) => sample.labels[label] !== value)) continue
      const bound = sample.labels.le === '+Inf' ? Infinity : Number(sample.labels.le)
      counts.set(bound, (counts.get(bound) ?? 0) + sign * sample.value)
    }
  }
  return [...counts].sort((a, b) => a[0] - b[0])
}

/** The value below which a share of what was counted lies, straight between the bounds of its bucket. */
function quantile(buckets, share) {
  const total = buckets.at(-1)?.[1] ?? 0
  if (total <= 0) return undefined
  let [lower, below] = [0, 0]
  for (const [bound, count] of buckets) {
    if (count >= share * total) return bound === Infinity ? lower : lower + (bound - lower) * (share * total - below) / (count - below)
    lower = bound
    below = count
  }
  return lower
}

function facts(id, rows) {
  at(id).replaceChildren(...rows.flatMap(([name, value]) => [element('dt', name), element('dd', String(value))]))
}

function rowOf(cells) {
  const row = document.createElement('tr')
  row.append(...cells.map(([text, className]) => element('td', text, className)))
  return row
}

function warningsOf(status, figures) {
  const found = status.checks.filter(check => check.failure !== undefined).map(({ name, failure }) => 'Not ready, ' + name + ': ' + failure)
  const say = (isSo, text) => { if (isSo) found.push(text) }
  say(status.leader === undefined, 'No leader is known here: nothing can be written.')
  say(valueOf(figures, 'quorate_raft_is_fenced') === 1, 'The state of this node differs from that of its peers; it answers nothing until it is rebuilt.')
  say(valueOf(figures, 'quorate_raft_is_disputed') === 1, 'Another voter has another state than this leader, and no majority tells which is right: bring back the members that are away.')
  say(valueOf(figures, 'quorate_log_is_latched') === 1, 'A write of the log has failed: this node takes nothing more.')
  say(valueOf(figures, 'quorate_log_is_suspect') === 1, 'The end of the log cannot be decided; this node votes with care until its leader has supplied it.')
  say(valueOf(figures, 'quorate_pages_is_busy') === 1, 'Writes are refused for the moment: too many pages wait to be written.')
  const closed = new Map()
  for (const { labels, value } of samplesOf(figures, 'quorate_peer_link_is_open')) {
    if (value !== 1) closed.set(labels.peer, [...(closed.get(labels.peer) ?? []), labels.channel])
  }
  for (const [peer, channels] of closed) say(true, 'No link to ' + peer + ' (' + channels.join(', ') + ').')
  for (const { labels, value } of samplesOf(figures, 'quorate_peer_lag_entries')) {
    say(value > LAG_ENTRIES_MAX, labels.peer + ' is ' + whole(value) + ' entries behind.')
  }
  const used = samplesOf(figures, 'quorate_disk_file_bytes').reduce((sum, { value }) => sum + value, 0)
  const free = valueOf(figures, 'quorate_disk_free_bytes')
  say(free !== undefined && free < 2 * used, 'Only ' + bytes(free) + ' are free on the disk, less than twice the data.')
  const age = valueOf(figures, 'quorate_checkpoint_age_seconds')
  const lacks = (valueOf(figures, 'quorate_raft_applied_seq') ?? 0) - (valueOf(figures, 'quorate_checkpoint_seq') ?? 0)
  say(age > CHECKPOINT_AGE_SECONDS_MAX && lacks > LAG_ENTRIES_MAX, 'The last checkpoint is ' + seconds(age) + ' old.')
  for (const { labels, value } of samplesOf(figures, 'quorate_tls_certificate_expiry_seconds')) {
    const days = Math.floor((value - Date.now() / 1000) / 86400)
    say(days < CERTIFICATE_DAYS_MIN, 'The certificate of the ' + labels.door + ' port ends in ' + days + ' days.')
  }
  return found
}

function showMembers(status, figures) {
  const own = status.nodeId
  const leads = status.role === 'leader'
  at('members').replaceChildren(...status.members.map(({ nodeId, name, role, clientAddress }) => {
    const isLeader = nodeId === status.leader?.nodeId
    const links = samplesOf(figures, 'quorate_peer_link_is_open').filter(({ labels }) => labels.peer === name)
    const open = links.filter(({ value }) => value === 1).length
    const lag = nodeId === own ? status.commitSeq - status.appliedSeq : valueOf(figures, 'quorate_peer_lag_entries', { peer: name })
    const trip = valueOf(figures, 'quorate_peer_round_trip_seconds', { peer: name })
    const linked = nodeId === own ? ['this node'] : open === links.length && open > 0 ? ['open', 'good'] : [open + ' of ' + links.length + ' open', 'trouble']
    const shownRole = isLeader ? 'leader' : role === 'voter' ? 'follower' : role
    return rowOf([
      [name, isLeader ? 'leader' : undefined], [shownRole, isLeader ? 'leader' : undefined], [clientAddress],
      [whole(lag), lag > LAG_ENTRIES_MAX ? 'number trouble' : 'number'], [nodeId === own ? '\\u2013' : seconds(trip), 'number'], linked,
    ])
  }))
  at('members-hint').textContent = leads || status.leader === undefined ? '' : 'How far others are behind only the leader knows: ask ' + status.leader.name + '.'
}

function showRequests(before, now, elapsedMs) {
  const kinds = [
    ['Commits', 'quorate_request_seconds', { door: 'websocket', method: 'commit' }], ['Reads', 'quorate_request_seconds', { door: 'websocket', method: 'read' }],
    ['HTTP', 'quorate_request_seconds', { door: 'http' }], ['Log syncs', 'quorate_log_sync_seconds', {}],
  ]
  const rows = kinds.map(([title, name, labels]) => {
    const buckets = countedBetween(before, now, name, labels)
    const count = buckets.at(-1)?.[1] ?? 0
    return { title, perSecond: elapsedMs > 0 ? count * 1000 / elapsedMs : 0, times: [0.5, 0.95, 0.99].map(share => seconds(quantile(buckets, share))) }
  })
  at('latency').replaceChildren(...rows.map(({ title, perSecond, times }) =>
    rowOf([[title], [whole(perSecond), 'number'], ...times.map(time => [time, 'number'])])))
  return rows
}

/** Requests that this node has answered since its start. */
const answered = figures => samplesOf(figures, 'quorate_request_seconds_count').reduce((sum, { value }) => sum + value, 0)

function draw() {
  const highest = Math.max(1, ...rates)
  const points = rates.map((rate, i) => (i + CHART_POINTS - rates.length) * 240 / (CHART_POINTS - 1) + ',' + (46 - 44 * rate / highest))
  at('line').setAttribute('points', points.join(' '))
  const text = 'Answered by this node a second: now ' + whole(rates.at(-1)) + ', at most ' + whole(Math.max(0, ...rates)) + ' in the last two minutes'
  at('chart-hint').textContent = text
  at('chart').setAttribute('aria-label', text)
}

function show(status, figures) {
  const nowMs = performance.now()
  const last = readings.at(-1)
  const perSecond = last === undefined ? 0 : (answered(figures) - answered(last.figures)) * 1000 / (nowMs - last.atMs)
  if (last !== undefined) rates = [...rates, Math.max(0, perSecond)].slice(-CHART_POINTS)
  readings = [...readings.filter(reading => nowMs - reading.atMs < WINDOW_MS), { atMs: nowMs, figures }]
  const oldest = readings[0]
  const rows = showRequests(oldest.figures, figures, nowMs - oldest.atMs)
  draw()
  const warnings = warningsOf(status, figures)
  at('warnings').replaceChildren(...(warnings.length === 0 ? [element('li', 'No warnings', 'ok')] : warnings.map(text => element('li', text, 'trouble'))))
  const cards = [
    ['Role', status.role], ['Term', whole(status.term)], ['Committed seq', whole(status.commitSeq)], ['Applied seq', whole(status.appliedSeq)],
    ['Requests a second', whole(perSecond)], ['Commit p99', rows[0].times[2]], ['Disk used', bytes(samplesOf(figures, 'quorate_disk_file_bytes').reduce((sum, { value }) => sum + value, 0))],
    ['Clients', whole(status.clients)],
  ]
  at('cards').replaceChildren(...cards.map(([name, value]) => {
    const card = element('div', undefined, 'card')
    card.append(element('span', name), element('b', String(value)))
    return card
  }))
  showMembers(status, figures)
  facts('disk', [...samplesOf(figures, 'quorate_disk_file_bytes').map(({ labels, value }) => [labels.area, bytes(value)]), ['free', bytes(valueOf(figures, 'quorate_disk_free_bytes'))]])
  const resident = valueOf(figures, 'quorate_pages_resident')
  facts('storage', [
    ['Records', whole(valueOf(figures, 'quorate_pages_records'))], ['Pages in memory', whole(resident) + ' of ' + whole(valueOf(figures, 'quorate_pages_budget'))],
    ['Pages to be written', whole(valueOf(figures, 'quorate_pages_dirty'))], ['Last checkpoint', seconds(valueOf(figures, 'quorate_checkpoint_age_seconds')) + ' ago'],
    ['Log', 'seq ' + whole(valueOf(figures, 'quorate_log_first_seq')) + ' to ' + whole(valueOf(figures, 'quorate_log_last_seq'))],
    ['Sessions', whole(valueOf(figures, 'quorate_sessions_open'))],
  ])
  facts('node', [['Version', status.version], ['Node id', status.nodeId], ['Leader', status.leader?.name ?? 'none known'], ['History', status.historyId]])
  at('checks').replaceChildren(...status.checks.map(({ name, failure }) =>
    element('li', failure === undefined ? (SOUND_NAMES[name] ?? name) : name + ': ' + failure, failure === undefined ? 'ok' : 'failed')))
  const own = status.members.find(({ nodeId }) => nodeId === status.nodeId)
  at('who').textContent = own === undefined ? '' : 'node ' + own.name
  document.title = (own === undefined ? '' : own.name + ' \\u00b7 ') + 'Quorate'
  at('details').hidden = false
  at('login').hidden = true
  say(status.leader === undefined ? 'No leader is known here' : status.role + ' in term ' + status.term, status.leader === undefined)
}

async function refresh() {
  const headers = token === '' ? {} : { authorization: 'Bearer ' + token }
  const signal = AbortSignal.timeout(ANSWER_MS)
  try {
    const [status, figures] = await Promise.all(['/admin/v1/status', '/admin/v1/figures'].map(path => fetch(path, { headers, signal })))
    if (status.status === 401 || status.status === 403) {
      at('login').hidden = false
      at('details').hidden = true
      say('A token is needed', true)
    } else if (status.ok && figures.ok) show(await status.json(), parseFigures(await figures.text()))
    else say('The node answers ' + (status.ok ? figures : status).status, true)
  } catch {
    say('The node does not answer: what is shown is old', true)
  }
  setTimeout(refresh, REFRESH_MS)
}

at('login').addEventListener('submit', event => {
  event.preventDefault()
  token = at('token').value
  sessionStorage.setItem('token', token)
})
void refresh()
`
