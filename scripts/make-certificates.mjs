// `node scripts/make-certificates.mjs DIR [NAME...]`: an authority (ca.pem, ca.key) in DIR, made anew if there is none, and for each NAME
// a certificate of it (NAME.pem, NAME.key) for 127.0.0.1 and localhost, good for two days. For tests, and for trying TLS on one machine.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generate } from 'selfsigned'

const DAY_MS = 86_400_000
const [directory, ...names] = process.argv.slice(2)
if (directory === undefined) {
  console.error('usage: node scripts/make-certificates.mjs DIR [NAME...]')
  process.exit(2)
}
mkdirSync(directory, { recursive: true })

const now = Date.now()
const common = {
  algorithm: 'sha256',
  keyType: 'ec',
  curve: 'P-256',
  notBeforeDate: new Date(now - DAY_MS),
  notAfterDate: new Date(now + 2 * DAY_MS),
}
const path = (name, suffix) => join(directory, `${name}.${suffix}`)

async function make(name, commonName, options) {
  const made = await generate([{ name: 'commonName', value: commonName }], { ...common, ...options })
  writeFileSync(path(name, 'pem'), `${made.cert.trim()}\n`)
  writeFileSync(path(name, 'key'), `${made.private.trim()}\n`, { mode: 0o600 })
}

if (!existsSync(path('ca', 'pem'))) {
  await make('ca', `Quorate test authority ${process.pid}-${now}`, {
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
}
const ca = { cert: readFileSync(path('ca', 'pem'), 'utf8'), key: readFileSync(path('ca', 'key'), 'utf8') }
for (const name of names) {
  await make(name, name, {
    ca,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 7, ip: '127.0.0.1' },
          { type: 2, value: 'localhost' },
        ],
      },
    ],
  })
}
