import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificates {
  /** PEM text of the authority. */
  readonly authority: string
  /** PEM texts of a certificate made for 127.0.0.1. */
  of(name: string): { certificate: string; key: string }
  path(name: string, suffix: 'pem' | 'key'): string
}

/** An authority in `directory`, made anew if there is none yet, and certificates of it for 127.0.0.1. */
export function makeCertificates(directory: string, ...names: string[]): Certificates {
  execFileSync(process.execPath, ['scripts/make-certificates.mjs', directory, ...names])
  const path = (name: string, suffix: 'pem' | 'key'): string => join(directory, `${name}.${suffix}`)
  const read = (name: string, suffix: 'pem' | 'key'): string => readFileSync(path(name, suffix), 'utf8')
  return {
    authority: read('ca', 'pem'),
    of: name => ({ certificate: read(name, 'pem'), key: read(name, 'key') }),
    path,
  }
}
