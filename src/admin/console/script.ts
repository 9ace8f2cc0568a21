export const CONSOLE_SCRIPT: string = `'use strict'
const REFRESH_MS = 2000
const at = id => document.getElementById(id)
let token = sessionStorage.getItem('token') ?? ''

function say(text, isTrouble) {
  at('state').textContent = text
  at('state').className = isTrouble ? 'trouble' : ''
}

function element(name, text, className) {
  const made = document.createElement(name)
  made.textContent = text
  if (className !== undefined) made.className = className
  return made
}

function show(status) {
  const facts = [
    ['Version', status.version], ['Node', status.nodeId], ['Role', status.role], ['Term', status.term],
    ['Leader', status.leader?.name ?? 'none known'], ['Committed seq', status.commitSeq], ['Applied seq', status.appliedSeq],
    ['History', status.historyId], ['Clients', status.clients ?? ''],
  ]
  at('node').replaceChildren(...facts.flatMap(([name, value]) => [element('dt', name), element('dd', String(value))]))
  at('members').replaceChildren(...status.members.map(member => {
    const row = document.createElement('tr')
    const isLeader = member.nodeId === status.leader?.nodeId
    const role = isLeader ? 'leader' : member.role
    const cells = [member.name, role, member.clientAddress, member.peerAddress]
    row.append(...cells.map(text => element('td', text, isLeader ? 'leader' : undefined)))
    return row
  }))
  at('checks').replaceChildren(...status.checks.map(({ name, failure }) =>
    element('li', failure === undefined ? name : name + ': ' + failure, failure === undefined ? 'ok' : 'failed')))
  at('details').hidden = false
  at('login').hidden = true
  say(status.leader === undefined ? 'No leader is known here' : status.role + ', term ' + status.term, status.leader === undefined)
}

async function refresh() {
  const headers = token === '' ? {} : { authorization: 'Bearer ' + token }
  try {
    const answer = await fetch('/admin/v1/status', { headers })
    if (answer.status === 401 || answer.status === 403) {
      at('login').hidden = false
      at('details').hidden = true
      say('A token is needed', true)
    } else if (answer.ok) show(await answer.json())
    else say('The node answers ' + answer.status, true)
  } catch {
    say('The node does not answer', true)
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
