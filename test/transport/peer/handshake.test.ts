import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PeerIdentity } from '../../../src/model/index.ts'
import { SeededRandom } from '../../../src/platform/simulated/index.ts'
import {
  decodeHandshakeFrame,
  encodeHandshakeFrame,
  HANDSHAKE_FRAME_BYTES_MAX,
  membersHash,
  proofOf,
  type HelloFrame,
} from '../../../src/transport/peer/handshake-frames.ts'
import { Handshake, type HandshakeSelf, type HandshakeStep } from '../../../src/transport/peer/handshake.ts'
import { seed } from './seed.ts'
import { MEMBERS, SECRET } from './simulated-peers.ts'

let nonces = 0

function self(name: string, change: Partial<HandshakeSelf> & { identity?: PeerIdentity } = {}): HandshakeSelf {
  return {
    identity: { name, nodeId: 0, directoryId: `d-${name}`, historyId: undefined },
    names: ['n1', 'n2', 'n3'],
    membersHash: membersHash(MEMBERS),
    secret: SECRET,
    nonce: new Uint8Array(32).fill(++nonces),
    directoryOf: () => undefined,
    ...change,
  }
}

interface Outcome {
  dialer: HandshakeStep | undefined
  acceptor: HandshakeStep | undefined
  /** All frames in the order in which they were sent. */
  frames: Uint8Array[]
}

/** Runs both sides until nobody has anything to say. `onWire` may change a frame. */
function run(
  dialer: Handshake,
  acceptor: Handshake,
  onWire = (frame: Uint8Array, _n: number): Uint8Array => frame,
): Outcome {
  const outcome: Outcome = { dialer: undefined, acceptor: undefined, frames: [] }
  let toAcceptor: readonly Uint8Array[] = [dialer.start()]
  for (let round = 0; round < 4 && toAcceptor.length > 0; round++) {
    const toDialer: Uint8Array[] = []
    for (const frame of toAcceptor) {
      outcome.frames.push(frame)
      outcome.acceptor = acceptor.receive(onWire(frame, outcome.frames.length - 1))
      toDialer.push(...outcome.acceptor.send)
    }
    const next: Uint8Array[] = []
    for (const frame of toDialer) {
      outcome.frames.push(frame)
      outcome.dialer = dialer.receive(onWire(frame, outcome.frames.length - 1))
      next.push(...outcome.dialer.send)
    }
    toAcceptor = next
  }
  return outcome
}

const dial = (change: Partial<HandshakeSelf> = {}): Handshake => Handshake.dial(self('n2', change), 'n1', 'control')
const accept = (change: Partial<HandshakeSelf> = {}): Handshake => Handshake.accept(self('n1', change))
const identity = (name: string, change: Partial<PeerIdentity>): PeerIdentity => ({
  name,
  nodeId: 0,
  directoryId: `d-${name}`,
  historyId: undefined,
  ...change,
})

describe('the handshake of peers', () => {
  it('opens with four frames and tells each side who the other is', () => {
    const member = identity('n2', { nodeId: 2, historyId: 'h' })
    const { dialer, acceptor, frames } = run(
      Handshake.dial(self('n2', { identity: member }), 'n1', 'snapshot'),
      accept(),
    )
    assert.deepEqual(dialer?.opened, { channel: 'snapshot', identity: identity('n1', {}) })
    assert.deepEqual(acceptor?.opened, { channel: 'snapshot', identity: member })
    assert.deepEqual(
      frames.map(frame => decodeHandshakeFrame(frame).kind),
      ['hello', 'hello', 'proof', 'welcome'],
    )
  })

  it('is the bytes of its format page', () => {
    const hello: HelloFrame = {
      kind: 'hello',
      role: 'dialer',
      channel: 'log',
      identity: { name: 'n2', nodeId: 7, directoryId: 'ab', historyId: 'cd' },
      membersHash: new Uint8Array(32).fill(0x11),
      nonce: new Uint8Array(32).fill(0x22),
    }
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
    assert.equal(
      hex(encodeHandshakeFrame(hello)),
      `515001010102000007000000${'11'.repeat(32)}${'22'.repeat(32)}02006e320200616202006364`,
    )
    const proof = new Uint8Array(32).fill(0x33)
    assert.equal(hex(encodeHandshakeFrame({ kind: 'proof', proof })), `51500102${'33'.repeat(32)}`)
    assert.equal(hex(encodeHandshakeFrame({ kind: 'welcome', proof })), `51500103${'33'.repeat(32)}`)
    assert.equal(hex(encodeHandshakeFrame({ kind: 'refusal', reason: 'history', detail: 'x' })), '5150010404010078')
    const members = [
      { name: 'n1', address: 'h1:7410' },
      { name: 'n2', address: 'h2:7410' },
    ]
    assert.equal(hex(membersHash(members)), '3b6c1232b30e83ec5f8209cd8ff6f7146fe8dd0192337fab68f56115595cf2a5')
    const hellos = { dialer: Uint8Array.of(1, 2), acceptor: Uint8Array.of(3) }
    assert.equal(
      hex(proofOf(SECRET, 'dialer', hellos)),
      'e6c5cbc8c44fcb62a0e537ec50c757321421e3d186dc1d0af113cb70f2a25e99',
    )
    assert.equal(
      hex(proofOf(SECRET, 'acceptor', hellos)),
      '46507d5299e69252050c7b69ca35e10f68ced3213e24abe2afa4b3163e003769',
    )
  })

  it('refuses another secret on both sides, and the dialer gives no proof of the acceptor away', () => {
    const { dialer, acceptor, frames } = run(dial({ secret: new Uint8Array(20) }), accept())
    assert.equal(acceptor?.refused?.reason, 'secret')
    assert.equal(acceptor?.opened, undefined)
    assert.equal(dialer?.refused?.reason, 'secret')
    assert.ok(!frames.some(frame => decodeHandshakeFrame(frame).kind === 'welcome'))
  })

  it('refuses another list, another order, another address', () => {
    const others = [
      MEMBERS.slice(0, 2),
      MEMBERS.toReversed(),
      MEMBERS.map(member => ({ ...member, address: `${member.address}1` })),
      [{ name: 'n1n1:7410', address: '' }, ...MEMBERS.slice(1)],
    ]
    for (const members of others) {
      assert.equal(run(dial({ membersHash: membersHash(members) }), accept()).dialer?.refused?.reason, 'configuration')
    }
  })

  it('refuses another history, but takes a node without one, whichever side it is on', () => {
    const of = (name: string, historyId: string | undefined): Partial<HandshakeSelf> => ({
      identity: identity(name, { historyId }),
    })
    assert.equal(run(dial(of('n2', 'a')), accept(of('n1', 'b'))).dialer?.refused?.reason, 'history')
    for (const [near, far] of [
      ['a', 'a'],
      ['a', undefined],
      [undefined, 'a'],
    ]) {
      assert.ok(run(dial(of('n2', near)), accept(of('n1', far))).acceptor?.opened)
    }
  })

  it('refuses a known name with another directory, whichever side notices', () => {
    const directoryOf = (name: string): string => `the directory of ${name}`
    assert.equal(run(dial(), accept({ directoryOf })).acceptor?.refused?.reason, 'directory')
    assert.equal(run(dial({ directoryOf }), accept()).dialer?.refused?.reason, 'directory')
    assert.ok(run(dial(), accept({ directoryOf: name => `d-${name}` })).acceptor?.opened)
  })

  it('refuses a name that is no other member, and an answer from another than was dialled', () => {
    for (const name of ['n4', 'n1', '', '../../etc', 'n\u0000']) {
      const step = run(Handshake.dial(self(name), 'n1', 'log'), accept())
      assert.equal(step.acceptor?.refused?.reason, 'unknown_name')
      assert.match(step.acceptor.refused.detail, /^[\x20-\x7e]*$/)
    }
    assert.equal(run(dial(), Handshake.accept(self('n3'))).dialer?.refused?.reason, 'unknown_name')
  })

  it('refuses another version without looking at the rest', () => {
    const other = (frame: Uint8Array, n: number): Uint8Array =>
      n === 0 ? Uint8Array.of(0x51, 0x50, 9, 77, 1, 2, 3) : frame
    const { dialer, acceptor } = run(dial(), accept(), other)
    assert.equal(acceptor?.refused?.reason, 'version')
    assert.equal(dialer?.refused?.reason, 'version')
  })

  it('lets only the later of two dial control', () => {
    const { dialer, acceptor } = run(Handshake.dial(self('n1'), 'n2', 'control'), Handshake.accept(self('n2')))
    assert.equal(dialer?.refused?.reason, 'configuration')
    assert.equal(acceptor?.opened, undefined)
    assert.ok(run(Handshake.dial(self('n1'), 'n2', 'log'), Handshake.accept(self('n2'))).dialer?.opened)
  })
})

describe('an attacker without the secret', () => {
  it('gains nothing by sending a node its own hello and proofs back (reflection)', () => {
    const victim = dial()
    assert.ok(victim.receive(victim.start()).broken)
    // Answers a dialer with what an acceptor of another link was sent: as roles differ, the proof does not fit.
    const first = accept()
    const second = accept()
    const asked = dial({ secret: new Uint8Array(0) }).start()
    const hello = first.receive(asked).send[0]!
    assert.ok(second.receive(hello).broken)
  })

  it('cannot use the proof of a dialer as the proof of an acceptor', () => {
    const frames = run(dial(), accept()).frames
    const mine = dial()
    mine.start()
    const proof = mine.receive(frames[1]!).send[0]!
    const asWelcome = proof.slice()
    asWelcome[3] = 3
    assert.equal(mine.receive(asWelcome).refused?.reason, 'secret')
  })

  it('cannot replay what it has heard', () => {
    const { frames } = run(dial(), accept())
    const acceptor = accept()
    assert.equal(acceptor.receive(frames[0]!).opened, undefined)
    assert.equal(acceptor.receive(frames[2]!).refused?.reason, 'secret')
    const dialer = dial()
    dialer.start()
    dialer.receive(frames[1]!)
    assert.equal(dialer.receive(frames[3]!).refused?.reason, 'secret')
  })

  it('cannot change a bit of what honest sides say', () => {
    const random = new SeededRandom(seed)
    for (let round = 0; round < 400; round++) {
      const changed = random.below(4)
      const change = (frame: Uint8Array, n: number): Uint8Array => {
        if (n !== changed) return frame
        const copy = frame.slice()
        const at = random.below(copy.length)
        copy[at] = copy[at]! ^ (1 << random.below(8))
        return copy
      }
      const { dialer, acceptor } = run(dial(), accept(), change)
      assert.equal(dialer?.opened, undefined, `frame ${changed}`)
      // The last frame is the acceptor's own: it has had its proof by then.
      if (changed < 3) assert.equal(acceptor?.opened, undefined, `frame ${changed}`)
    }
  })

  it('cannot make a node throw or open with any bytes', () => {
    const random = new SeededRandom(seed)
    const { frames } = run(dial(), accept())
    for (let round = 0; round < 3_000; round++) {
      const side = random.chance(0.5) ? accept() : dial()
      side.start()
      for (let n = 0; n < 3; n++) {
        let frame = random.bytes(random.below(HANDSHAKE_FRAME_BYTES_MAX + 20))
        if (random.chance(0.8)) {
          frame = frames[random.below(frames.length)]!.slice(0, random.chance(0.3) ? random.below(100) : undefined)
          for (let flips = random.below(3); flips > 0; flips--) frame[random.below(frame.length)] = random.below(256)
        }
        assert.equal(side.receive(frame).opened, undefined)
      }
    }
  })

  it('is not believed when it refuses, and gets no answer to a frame out of turn', () => {
    const acceptor = accept()
    assert.ok(acceptor.receive(encodeHandshakeFrame({ kind: 'refusal', reason: 'history', detail: 'x' })).broken)
    for (const kind of ['proof', 'welcome'] as const) {
      const step = accept().receive(encodeHandshakeFrame({ kind, proof: new Uint8Array(32) }))
      assert.ok(step.broken)
      assert.deepEqual(step.send, [])
    }
    const twice = accept()
    const hello = dial().start()
    twice.receive(hello)
    assert.ok(twice.receive(hello).broken)
    assert.ok(twice.receive(hello).broken)
  })
})
