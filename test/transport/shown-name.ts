import { connect } from 'node:tls'

/** The common name that a TLS server on this machine shows, or why there is none. */
export function shownName(port: number, tls: { ca: string; cert?: string; key?: string }): Promise<string> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port, ...tls }, () => {
      const { CN } = socket.getPeerCertificate().subject
      socket.destroy()
      resolve(String(CN))
    })
    socket.on('error', error => resolve(error.message))
  })
}
