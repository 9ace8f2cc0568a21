import { equalBytes, MalformedBytes } from '../../encoding/index.ts'
import type { PeerChannel, PeerIdentity, PeerRefusal } from '../../model/index.ts'
import {
  decodeHandshakeFrame,
  encodeHandshakeFrame,
  HANDSHAKE_VERSION,
  isSameProof,
  printable,
  proofOf,
  type HandshakeFrame,
  type HandshakeRole,
  type HelloFrame,
} from './handshake-frames.ts'

/** What this node knows before a handshake. */
export interface HandshakeSelf {
  readonly identity: PeerIdentity
  /** Names of all members in the configured order, the own one among them. */
  readonly names: readonly string[]
  readonly membersHash: Uint8Array
  readonly secret: Uint8Array
  /** Fresh for each handshake. */
  readonly nonce: Uint8Array
  /** The directory id that the cluster knows a member by, if it is known. */
  readonly directoryOf: (name: string) => string | undefined
}

export interface OpenedPeer {
  readonly identity: PeerIdentity
  readonly channel: PeerChannel
}

/** What to do after a frame: send, and then go on, open the link or close it. */
export interface HandshakeStep {
  readonly send: readonly Uint8Array[]
  readonly opened?: OpenedPeer
  readonly refused?: { readonly reason: PeerRefusal; readonly detail: string; readonly peer: string | undefined }
  /** The other side breaks the protocol, or refuses without having proved anything: closed without a report. */
  readonly broken?: string
}

/**
 * One side of a handshake, as a pure machine: dialer's hello, acceptor's hello, dialer's proof, acceptor's proof. The dialer, who
 * chose whom to call, proves itself first: a stranger who calls learns nothing that a weak secret could be guessed from.
 */
export class Handshake {
  readonly #role: HandshakeRole
  readonly #self: HandshakeSelf
  /** Of the acceptor: the channel that the dialer asked for. */
  #channel: PeerChannel
  /** Of the dialer: the name it wants to reach. */
  readonly #wanted: string | undefined
  #ownHello: Uint8Array | undefined
  #peer: { hello: HelloFrame; bytes: Uint8Array } | undefined
  #isOver = false

  private constructor(role: HandshakeRole, self: HandshakeSelf, channel: PeerChannel, wanted: string | undefined) {
    this.#role = role
    this.#self = self
    this.#channel = channel
    this.#wanted = wanted
  }

  static dial(self: HandshakeSelf, peer: string, channel: PeerChannel): Handshake {
    return new Handshake('dialer', self, channel, peer)
  }

  static accept(self: HandshakeSelf): Handshake {
    return new Handshake('acceptor', self, 'control', undefined)
  }

  /** What the dialer sends first. */
  start(): Uint8Array {
    return this.#hello()
  }

  receive(bytes: Uint8Array): HandshakeStep {
    if (this.#isOver) return { send: [], broken: 'the handshake is over' }
    let frame: HandshakeFrame
    try {
      frame = decodeHandshakeFrame(bytes)
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      return this.#break(error.message)
    }
    if (frame.kind === 'foreign') {
      return this.#refuse('version', `version ${frame.version} of the handshake, this node speaks ${HANDSHAKE_VERSION}`)
    }
    if (frame.kind === 'refusal') return this.#wasRefused(frame.reason, frame.detail)
    if (frame.kind === 'hello')
      return this.#peer === undefined ? this.#takeHello(frame, bytes) : this.#break('two hellos')
    return this.#takeProof(frame.kind, frame.proof)
  }

  #takeHello(hello: HelloFrame, bytes: Uint8Array): HandshakeStep {
    const { nonce, names, identity } = this.#self
    if (hello.role === this.#role || equalBytes(hello.nonce, nonce)) return this.#break('the own hello came back')
    this.#peer = { hello, bytes: bytes.slice() }
    const { name } = hello.identity
    if (!names.includes(name) || name === identity.name) {
      return this.#refuse('unknown_name', `${printable(name)} is no other member of the configuration`)
    }
    if (this.#wanted !== undefined) {
      if (name !== this.#wanted) return this.#refuse('unknown_name', `${this.#wanted} was dialled, ${name} answered`)
      if (hello.channel !== this.#channel) return this.#break('another channel')
      const mismatch = this.#mismatch(hello)
      if (mismatch !== undefined) return this.#refuse(mismatch.reason, mismatch.detail)
      return { send: [encodeHandshakeFrame({ kind: 'proof', proof: this.#proof('dialer') })] }
    }
    this.#channel = hello.channel
    return { send: [this.#hello()] }
  }

  #takeProof(kind: 'proof' | 'welcome', proof: Uint8Array): HandshakeStep {
    const speaker: HandshakeRole = this.#role === 'dialer' ? 'acceptor' : 'dialer'
    if (this.#peer === undefined || kind !== (speaker === 'dialer' ? 'proof' : 'welcome'))
      return this.#break('out of turn')
    if (!isSameProof(proof, this.#proof(speaker))) return this.#refuse('secret', 'the cluster secrets differ')
    const { hello } = this.#peer
    const mismatch = this.#mismatch(hello)
    if (mismatch !== undefined) return this.#refuse(mismatch.reason, mismatch.detail)
    this.#isOver = true
    const opened = { identity: hello.identity, channel: this.#channel }
    if (this.#role === 'dialer') return { send: [], opened }
    return { send: [encodeHandshakeFrame({ kind: 'welcome', proof: this.#proof('acceptor') })], opened }
  }

  /** What two members must agree on. The acceptor tells it only to those who have proved the secret. */
  #mismatch(hello: HelloFrame): { reason: PeerRefusal; detail: string } | undefined {
    const { identity, names, directoryOf } = this.#self
    const peer = hello.identity
    if (!equalBytes(hello.membersHash, this.#self.membersHash)) {
      return { reason: 'configuration', detail: `${peer.name} is configured with other members, addresses or order` }
    }
    if (peer.historyId !== undefined && identity.historyId !== undefined && peer.historyId !== identity.historyId) {
      return { reason: 'history', detail: `${peer.name} belongs to cluster ${printable(peer.historyId)}` }
    }
    const known = directoryOf(peer.name)
    if (known !== undefined && known !== peer.directoryId) {
      const detail = `${peer.name} has directory ${printable(peer.directoryId)}, the cluster knows it by ${known}`
      return { reason: 'directory', detail }
    }
    const [dialer, acceptor] = this.#role === 'dialer' ? [identity, peer] : [peer, identity]
    if (this.#channel === 'control' && names.indexOf(dialer.name) < names.indexOf(acceptor.name)) {
      return {
        reason: 'configuration',
        detail: `${dialer.name} stands before ${acceptor.name} and must not dial control`,
      }
    }
    return undefined
  }

  #hello(): Uint8Array {
    const { identity, membersHash, nonce } = this.#self
    const hello: HelloFrame = { kind: 'hello', role: this.#role, channel: this.#channel, identity, membersHash, nonce }
    this.#ownHello = encodeHandshakeFrame(hello)
    // The link owns what it is given, and the proof needs these bytes again.
    return this.#ownHello.slice()
  }

  #proof(speaker: HandshakeRole): Uint8Array {
    const own = this.#ownHello!
    const peer = this.#peer!.bytes
    const hellos = this.#role === 'dialer' ? { dialer: own, acceptor: peer } : { dialer: peer, acceptor: own }
    return proofOf(this.#self.secret, speaker, hellos)
  }

  #refuse(reason: PeerRefusal, detail: string): HandshakeStep {
    this.#isOver = true
    const refused = { reason, detail, peer: this.#peer?.hello.identity.name ?? this.#wanted }
    return { send: [encodeHandshakeFrame({ kind: 'refusal', reason, detail })], refused }
  }

  /** The dialer believes the one it called, if only to call less often; an acceptor does not believe a stranger. */
  #wasRefused(reason: PeerRefusal, detail: string): HandshakeStep {
    if (this.#wanted === undefined) return this.#break(`refused: ${reason}`)
    this.#isOver = true
    return { send: [], refused: { reason, detail: `refused by ${this.#wanted}: ${detail}`, peer: this.#wanted } }
  }

  #break(broken: string): HandshakeStep {
    this.#isOver = true
    return { send: [], broken }
  }
}
