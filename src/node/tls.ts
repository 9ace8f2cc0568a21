import type { Files } from '../platform/index.ts'
import { isKeyOf, listenHttp, readCertificate } from '../platform/node/index.ts'
import type { HttpListenOptions, HttpServer } from '../platform/node/index.ts'
import { invalidConfiguration, readConfiguredFile } from '../transport/security/index.ts'
import type { DialerTls } from '../transport/websocket/index.ts'
import type { Configuration, TlsFiles } from './configuration.ts'

/** What one side of TLS shows, and whom it trusts; PEM texts. */
export interface TlsIdentity {
  /** The own certificate, and those between it and its authority. */
  readonly certificate: string
  readonly key: string
  /** Authorities of the other side. */
  readonly authority: string | undefined
  /** The own certificate is not valid any more from then on, ms since 1970. */
  readonly expiresAtMs: number
}

/** The TLS of one door; its files are read again on `reload`, and connections made from then on have what is in them. */
export class DoorTls {
  readonly #files: Files
  readonly #paths: TlsFiles
  readonly #servers: HttpServer[] = []
  #identity: TlsIdentity

  private constructor(files: Files, paths: TlsFiles, identity: TlsIdentity) {
    this.#files = files
    this.#paths = paths
    this.#identity = identity
  }

  /** @throws QuorateError `configuration_invalid` */
  static async open(files: Files, paths: TlsFiles): Promise<DoorTls> {
    return new DoorTls(files, paths, await readTlsIdentity(files, paths))
  }

  get identity(): TlsIdentity {
    return this.#identity
  }

  /** For whoever dials the same kind of door elsewhere. */
  get dialer(): DialerTls {
    const { certificate, key, authority } = this.#identity
    return { certificate, key, ...(authority !== undefined && { authority }) }
  }

  /** Listens with this identity, and with the newer ones after each reload. */
  async listen(options: HttpListenOptions): Promise<HttpServer> {
    const server = await listenHttp({ ...options, tls: listenerTls(this.#identity) })
    this.#servers.push(server)
    return server
  }

  /** If the files are not sound any more the old identity stays. @throws QuorateError `configuration_invalid` */
  async reload(): Promise<void> {
    this.#identity = await readTlsIdentity(this.#files, this.#paths)
    for (const server of this.#servers) server.setTls(listenerTls(this.#identity))
  }
}

/** The doors of a node that have TLS. */
export interface NodeTls {
  readonly client: DoorTls | undefined
  readonly peer: DoorTls | undefined
  readonly admin: DoorTls | undefined
}

/** @throws QuorateError `configuration_invalid` naming the file */
export async function loadTls({ client, peer, admin }: Configuration, files: Files): Promise<NodeTls> {
  const open = (paths: TlsFiles | undefined): Promise<DoorTls | undefined> =>
    paths === undefined ? Promise.resolve(undefined) : DoorTls.open(files, paths)
  return { client: await open(client.tls), peer: await open(peer.tls), admin: await open(admin.tls) }
}

/** The certificates of a node's ports, for those who watch when they end. */
export function certificates(tls: NodeTls): { door: string; expiresAtMs: number }[] {
  const doors = [
    ['client', tls.client],
    ['peer', tls.peer],
    ['admin', tls.admin],
  ] as const
  return doors.flatMap(([door, of]) => (of === undefined ? [] : [{ door, expiresAtMs: of.identity.expiresAtMs }]))
}

/** `listenHttp` with the TLS of a door, if it has any. */
export function listenOn(tls: DoorTls | undefined, options: HttpListenOptions): Promise<HttpServer> {
  return tls === undefined ? listenHttp(options) : tls.listen(options)
}

function listenerTls({ certificate, key, authority }: TlsIdentity): NonNullable<HttpListenOptions['tls']> {
  return { certificate, key, ...(authority !== undefined && { clientAuthority: authority }) }
}

async function readTlsIdentity(files: Files, { certFile, keyFile, caFile }: TlsFiles): Promise<TlsIdentity> {
  const certificate = await readConfiguredFile(files, certFile)
  const key = await readConfiguredFile(files, keyFile)
  const { expiresAtMs } = parsed(certFile, 'no certificate in PEM', () => readCertificate(certificate))
  const isOwn = parsed(keyFile, 'no private key in PEM without a passphrase', () => isKeyOf(key, certificate))
  if (!isOwn) throw invalidConfiguration(`${keyFile} is not the key of the certificate in ${certFile}`)
  const authority = caFile === undefined ? undefined : await readConfiguredFile(files, caFile)
  if (authority !== undefined) parsed(caFile!, 'no certificate in PEM', () => readCertificate(authority))
  return { certificate, key, authority, expiresAtMs }
}

function parsed<T>(path: string, what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw invalidConfiguration(`${path}: ${what}`, cause)
  }
}
