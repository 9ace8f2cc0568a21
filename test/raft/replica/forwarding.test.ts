import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { encodeEnvelope, encodeRequest, raiseCopy, requestCopy, requestSerial } from '../../../src/encoding/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import { Forwarding } from '../../../src/raft/forwarding.ts'
import { setReplicaMutants } from '../../../src/raft/mutants.ts'
import type { Peers } from '../../../src/raft/peers.ts'
import { RequestTable } from '../../../src/raft/requests.ts'
import type { OutgoingPeerMessage } from '../../../src/raft/wire/index.ts'

const MIB = 1 << 20
const LEADER = 2

function requestOf(serial: number, valueBytes: number): Uint8Array {
  const value = new Uint8Array(valueBytes)
  const envelope = encodeEnvelope({ mutations: [{ type: 'kvSet', project: 'p', key: new Uint8Array(1), value }] })
  const header = { caller: 'root', session: 7, serial, acknowledgedThrough: 0, notAfterMicros: 0, copy: 0 }
  return encodeRequest(header, envelope)
}

/** A follower's forwarding over a link whose queue a test fills. */
class Rig {
  queuedBytes = 0
  isLinked = true
  turnsAsked = 0
  readonly requests = new RequestTable(() => 0)
  readonly answers: string[] = []
  readonly offered: number[] = []
  readonly sent: Extract<OutgoingPeerMessage, { type: 'forward' }>[] = []
  readonly forwarding: Forwarding
  /** The link does not take the frame of this turn. */
  lose: () => void = () => assert.fail('nothing was sent')

  constructor() {
    const peers = {
      hasLog: () => this.isLinked,
      bufferedBytes: () => this.queuedBytes,
      send: (message: OutgoingPeerMessage, onLost: () => void) => {
        this.lose = onLost
        return message.type === 'forward' && this.sent.push(message)
      },
    }
    this.forwarding = new Forwarding({
      peers: peers as unknown as Peers,
      random: { u32: () => 0, float: () => 0, bytes: length => new Uint8Array(length) },
      requests: this.requests,
      own: { id: 1, term: 3 },
      offer: ({ payload }) => this.offered.push(requestSerial(payload)),
      openSession: () => assert.fail('no leader'),
      onPlaceAgain: () => this.turnsAsked++,
    })
  }

  add(count: number, valueBytes: number): void {
    for (let serial = 1; serial <= count; serial++) {
      this.requests.add(requestOf(serial, valueBytes), (_, error) =>
        this.answers.push(`${serial} ${error?.code} ${error?.applied}`),
      )
    }
  }
}

describe('forwarding to the leader', () => {
  afterEach(() => setReplicaMutants())

  it('takes in what was sent to the leader of its own term alone: the rest comes again, in order', () => {
    const rig = new Rig()
    const forward = (term: number, serial: number): void => {
      const requests = [{ forwardId: serial, request: requestOf(serial, 1) }]
      rig.forwarding.onMessage({ type: 'forward', from: 2, to: 1, term, requests })
    }
    forward(2, 3)
    for (const serial of [1, 2, 3]) forward(3, serial)
    assert.deepEqual(rig.offered, [1, 2, 3])
  })

  it('sends a frame of bounded size a turn, in order, and asks for the next turn', () => {
    const rig = new Rig()
    rig.add(12, MIB)
    rig.forwarding.place(LEADER, 3)
    assert.equal(rig.turnsAsked, 1)
    while (rig.requests.hasUnplaced) rig.forwarding.place(LEADER, 3)
    const frames = rig.sent.map(({ requests }) => requests.map(({ request }) => requestSerial(request)))
    assert.deepEqual(frames, [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 10, 11, 12],
    ])
    assert.equal(rig.turnsAsked, 2)
  })

  it('adds nothing to a full link, which would drop it', () => {
    const addToFull = (): void => {
      const rig = new Rig()
      rig.add(1, 10)
      rig.queuedBytes = 16 * MIB
      rig.forwarding.place(LEADER, 3)
      assert.deepEqual([rig.sent.length, rig.requests.hasUnplaced], [0, true])
      rig.queuedBytes = 0
      rig.forwarding.place(LEADER, 3)
      assert.deepEqual([rig.sent.length, rig.requests.hasUnplaced], [1, false])
    }
    addToFull()
    setReplicaMutants('forwarding_unbounded')
    assert.throws(addToFull, assert.AssertionError)
  })

  it('places nothing on a link before it is told to be open: what was lost with the one before comes first', () => {
    const rig = new Rig()
    rig.add(2, 10)
    rig.forwarding.place(LEADER, 3)
    rig.isLinked = false
    rig.requests.add(requestOf(3, 10), () => undefined)
    rig.forwarding.place(LEADER, 3)
    assert.deepEqual([rig.sent.length, rig.requests.hasUnplaced], [1, true])
    rig.isLinked = true
    rig.requests.replaceAll()
    rig.forwarding.place(LEADER, 3)
    assert.deepEqual(
      rig.sent[1]?.requests.map(({ request }) => requestSerial(request)),
      [1, 2, 3],
    )
  })

  it('places what the link did not take first and unchanged, but not again in every turn', () => {
    const rig = new Rig()
    rig.add(2, 10)
    rig.forwarding.place(LEADER, 3)
    rig.lose()
    rig.requests.add(requestOf(3, 10), () => undefined)
    rig.forwarding.place(LEADER, 3)
    assert.deepEqual([rig.sent.length, rig.requests.hasUnplaced], [1, true])
    rig.forwarding.tryAgain()
    rig.forwarding.place(LEADER, 3)
    assert.deepEqual(
      rig.sent[1]?.requests.map(({ request }) => [requestSerial(request), requestCopy(request)]),
      [
        [1, 0],
        [2, 0],
        [3, 0],
      ],
    )
  })

  it('believes a refusal of the newest forwarding only', () => {
    const rig = new Rig()
    rig.add(1, 10)
    rig.forwarding.place(LEADER, 3)
    rig.requests.replaceAll()
    rig.forwarding.place(LEADER, 4)
    const [old, newest] = rig.sent.map(({ requests }) => requests[0]!.forwardId)
    const refuse = (forwardId: number): void => {
      const error = new QuorateError('busy', 'busy', { retryable: true })
      rig.forwarding.onMessage({ type: 'forwardResults', from: 2, to: 1, term: 4, results: [{ forwardId, error }] })
    }
    refuse(old!)
    assert.deepEqual(rig.answers, [])
    refuse(newest!)
    assert.deepEqual(rig.answers, ['1 busy unknown'])
    assert.equal(rig.requests.byForwardId(newest!), undefined)
  })

  it('takes a refusal out of the state for the first sending alone: if a copy has joined it, the log decides', () => {
    const refuse = (rig: Rig, forwardId: number): void => {
      const error = new QuorateError('scope_not_found', 'no such scope')
      rig.forwarding.onMessage({ type: 'forwardResults', from: 2, to: 1, term: 3, results: [{ forwardId, error }] })
    }
    const alone = new Rig()
    alone.add(1, 10)
    alone.forwarding.place(LEADER, 3)
    refuse(alone, alone.sent[0]!.requests[0]!.forwardId)
    assert.deepEqual(alone.answers, ['1 scope_not_found no'])

    const joined = new Rig()
    joined.add(1, 10)
    joined.forwarding.place(LEADER, 3)
    const copy = requestOf(1, 10)
    raiseCopy(copy)
    joined.requests.add(copy, (_, error) => joined.answers.push(`copy ${error?.code}`))
    refuse(joined, joined.sent[0]!.requests[0]!.forwardId)
    assert.deepEqual(joined.answers, [])
    assert.ok(joined.turnsAsked > 0)
    joined.forwarding.place(LEADER, 3)
    const { request } = joined.sent[1]!.requests[0]!
    assert.deepEqual([requestSerial(request), requestCopy(request)], [1, 1])
    refuse(joined, joined.sent[0]!.requests[0]!.forwardId)
    assert.deepEqual(joined.answers, [], 'the first forwarding is over')
  })
})
