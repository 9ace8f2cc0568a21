import { createPrivateKey, X509Certificate } from 'node:crypto'

/** The first certificate of a PEM text. Throws where there is none. */
export function readCertificate(pem: string): { expiresAtMs: number; subject: string } {
  const { validTo, subject } = new X509Certificate(pem)
  return { expiresAtMs: Date.parse(validTo), subject }
}

/** Whether a private key in PEM, without a passphrase, is the first certificate's. Throws where either is none. */
export function isKeyOf(keyPem: string, certificatePem: string): boolean {
  return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem))
}
