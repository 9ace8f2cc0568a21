import exec from 'k6/execution'
import { randomBytes } from 'k6/crypto'
import { b64encode } from 'k6/encoding'
import { clearTimeout, setTimeout } from 'k6/timers'
import { WebSocket } from 'k6/websockets'
import { endpoints, token } from './config.ts'
import { place } from './http.ts'
import { givenUp, latency, retried } from './metrics.ts'
import { judgeOwn } from './operations.ts'
import type { RunData } from './operations.ts'

/** Subprotocol and messages: docs/formats/client-wire.md, JSON. */
const SUBPROTOCOL = 'quorate.v1+json'
const COMMITS = 5
const ATTEMPTS_MAX = 20
const SILENT_MS = 5_000

interface Message {
  readonly type: string
  readonly requestId: number
  readonly session?: { readonly id: number }
  readonly outcome?: { readonly status: string; readonly results?: readonly (number | string)[] }
  readonly error?: { readonly code: string; readonly retryable: boolean }
}

const own = { count: 0, unknown: 0 }
let turn = __VU

/** One visit over a WebSocket: connects, commits a few increments of this user's own counter in a session, and leaves. */
export function visit(data: RunData): void {
  new Visit(data.run).connect()
}

class Visit {
  readonly #run: string
  readonly #nonce = b64encode(randomBytes(16))
  readonly #startedMs = Date.now()
  #socket: WebSocket | undefined
  #session = 0
  #serial = 1
  #copy = 0
  #sentMs = 0
  #attempt = 0
  #timer = 0
  #isOver = false

  constructor(run: string) {
    this.#run = run
  }

  connect(): void {
    if (++this.#attempt > ATTEMPTS_MAX) return this.#giveUp()
    const headers: Record<string, string> = { 'Sec-WebSocket-Protocol': SUBPROTOCOL }
    const socket = new WebSocket(`ws://${endpoints[turn % endpoints.length]}/v1/connect`, null, { headers })
    this.#socket = socket
    socket.onopen = () =>
      this.#send(socket, {
        type: 'hello',
        requestId: 1,
        protocol: 1,
        clientName: 'k6',
        clientVersion: '1',
        token,
        session: { id: this.#session, nonce: { $b: this.#nonce } },
      })
    socket.onmessage = event => {
      for (const message of JSON.parse(event!.data as string) as Message[])
        if (socket === this.#socket) this.#take(socket, message)
    }
    socket.onerror = () => this.#again(socket)
    socket.onclose = () => this.#again(socket)
    this.#watch(socket)
  }

  #take(socket: WebSocket, { type, requestId, session, outcome, error }: Message): void {
    this.#watch(socket)
    if (type === 'welcome') {
      this.#session = session?.id ?? 0
      this.#commit(socket)
    } else if (type === 'outcome' && requestId === this.#serial + 1) {
      this.#answered(socket, outcome)
    } else if (type === 'goaway' || type === 'error') {
      if (error !== undefined && !error.retryable) throw new Error(`WebSocket: ${error.code}`)
      this.#again(socket)
    }
  }

  #commit(socket: WebSocket): void {
    this.#sentMs ||= Date.now()
    const target = place(`${this.#run}/visits/${exec.vu.idInTest}`)
    const envelope = { mutations: [{ type: 'kvIncrement', by: 1, width: 64, ...target }] }
    this.#send(socket, {
      type: 'commit',
      requestId: this.#serial + 1,
      serial: this.#serial,
      acknowledgedThrough: this.#serial - 1,
      notAfterMicros: 0,
      copy: this.#copy++,
      caller: '',
      envelope,
    })
  }

  #answered(socket: WebSocket, outcome: Message['outcome']): void {
    if (outcome?.status !== 'committed') throw new Error(`WebSocket: ${JSON.stringify(outcome)}`)
    judgeOwn(own, Number(outcome.results?.[0]), own.count + 1)
    latency.add(Date.now() - this.#sentMs, { op: 'websocket increment' })
    this.#copy = 0
    this.#sentMs = 0
    if (this.#serial++ < COMMITS) return this.#commit(socket)
    latency.add(Date.now() - this.#startedMs, { op: 'websocket visit' })
    this.#end()
  }

  /** The same session on another node: what was sent and not answered is sent again, and applies once. */
  #again(socket: WebSocket): void {
    if (this.#isOver || socket !== this.#socket) return
    this.#socket = undefined
    socket.close()
    clearTimeout(this.#timer)
    retried.add(1, { op: 'websocket' })
    turn++
    this.#timer = setTimeout(() => this.connect(), 10 + Math.random() * 20 * this.#attempt)
  }

  #watch(socket: WebSocket): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#again(socket), SILENT_MS)
  }

  #giveUp(): void {
    own.unknown++
    givenUp.add(1, { op: 'websocket' })
    this.#end()
  }

  #end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#socket?.close()
  }

  #send(socket: WebSocket, message: object): void {
    socket.send(JSON.stringify([message]))
  }
}
