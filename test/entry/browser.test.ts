import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { checkConfiguration, nodePlatform, startNode } from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'

/** The imports of compiled code: static, re-exporting and dynamic ones. */
function specifiersOf(code: string): string[] {
  const found = code.matchAll(
    /(?:^|[\s;}])(?:import|export)\b[^'"();]*?from\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g,
  )
  return [...found].map(([, from, bare]) => from ?? bare ?? '')
}

/** What a package has for browsers under this name. */
async function browserFileOf(specifier: string): Promise<string> {
  const [, name = '', path = ''] = /^((?:@[^/]+\/)?[^/]+)(.*)$/.exec(specifier)!
  const manifest = JSON.parse(await readFile(join('node_modules', name, 'package.json'), 'utf8')) as {
    exports: Record<string, string | Record<string, unknown>>
  }
  const found = manifest.exports[`.${path}`]
  assert.ok(found !== undefined, `${name} exports no .${path}`)
  const target = typeof found === 'string' ? found : (found['browser'] ?? found['import'] ?? found['default'])
  assert.equal(typeof target, 'string')
  return resolve('node_modules', name, target as string)
}

describe('the built entry for browsers', () => {
  it('reaches nothing of Node and no package that browsers cannot load', async () => {
    const reached = new Set([resolve('dist/src/entry/browser.js')])
    const packages = new Set<string>()
    for (const file of reached) {
      for (const specifier of specifiersOf(await readFile(file, 'utf8'))) {
        assert.ok(!specifier.startsWith('node:') && !builtinModules.includes(specifier), `${file} imports ${specifier}`)
        if (specifier.startsWith('.')) reached.add(resolve(dirname(file), specifier))
        else {
          packages.add(/^(@[^/]+\/)?[^/]+/.exec(specifier)![0])
          reached.add(await browserFileOf(specifier))
        }
      }
    }
    assert.ok(reached.size > 50, `only ${reached.size} files`)
    const own = [...reached].filter(file => !file.includes('/node_modules/'))
    for (const file of own)
      assert.doesNotMatch(file, /\/dist\/src\/(platform\/node|node|transport|log|engine|raft|cli)\//)
    assert.deepEqual([...packages].toSorted(), ['@noble/hashes', 'msgpackr'])
  })
})

/** Run as a page would run it: the package's door for browsers, the platform's own WebSocket, no module of Node. */
const PAGE = `
import { connect } from 'quorate/client'
const [url, token] = process.argv.slice(2)
const db = await connect(url, { token })
await db.ddl({ type: 'createProject', project: 'p', ifNotExists: true })
const kv = db.kv('p')
const large = new Uint8Array(300_000).map((_, i) => i)
await kv.set('large', large)
await Promise.all(Array.from({ length: 200 }, () => kv.increment('counter')))
const back = await kv.get('large')
const counter = new DataView((await kv.get('counter')).buffer).getBigUint64(0)
let watched = 0
const stop = new AbortController()
const watching = (async () => {
  for await (const event of kv.watch({ prefix: 'w', signal: stop.signal })) {
    if (event.type === 'commit' && (watched += event.changes.length) >= 3) return
  }
})()
for (let i = 0; watched < 3; i++) {
  await kv.set('w' + i, Uint8Array.of(i))
  if (i > 500) throw new Error('nothing is watched')
}
await watching
const transaction = await db.transaction(async tx => {
  const value = await tx.kv('p').get('w0')
  tx.kv('p').set('sum', Uint8Array.of(value[0] + 7))
  return 'done'
})
console.log(JSON.stringify({ same: back.every((byte, i) => byte === large[i]), counter: Number(counter), watched: watched >= 3, transaction }))
await db.close()
`
/** Refuses every module of Node to the code that is loaded. */
const NO_NODE = `
export async function resolve(specifier, context, next) {
  if (specifier.startsWith('node:')) throw new Error('a browser has no ' + specifier + ', asked for by ' + context.parentURL)
  return next(specifier, context)
}
`

describe('a client in a browser', { timeout: 240_000 }, () => {
  let directory: string
  let node: RunningNode

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-browser-'))
    const any = { port: 0 }
    const settings = { dataDirectory: directory, client: any, peer: any, admin: any, log: { level: 'silent' } }
    node = await startNode(checkConfiguration(settings, 'test'), nodePlatform)
  })
  after(async () => {
    await node.stop('end of the test')
    await rm(directory, { recursive: true })
  })

  it('writes, reads, watches and runs transactions over its own WebSocket', async () => {
    // Inside the package, so that its own name leads to its exports.
    const page = resolve('dist', `page-${process.pid}.mjs`)
    const hooks = `data:text/javascript,${encodeURIComponent(NO_NODE)}`
    const register = `data:text/javascript,${encodeURIComponent(`import { register } from 'node:module'; register(${JSON.stringify(hooks)})`)}`
    const flags =
      typeof (globalThis as { WebSocket?: unknown }).WebSocket === 'function' ? [] : ['--experimental-websocket']
    await writeFile(page, PAGE)
    try {
      const child = spawn(process.execPath, [
        ...flags,
        '--no-warnings',
        '--conditions=browser',
        '--import',
        register,
        page,
        `ws://127.0.0.1:${node.clientAddress.port}`,
      ])
      let [output, errors] = ['', '']
      child.stdout.on('data', (part: Buffer) => (output += part.toString()))
      child.stderr.on('data', (part: Buffer) => (errors += part.toString()))
      const code = await new Promise(done => child.on('close', done))
      assert.equal(code, 0, errors)
      assert.deepEqual(JSON.parse(output), { same: true, counter: 200, watched: true, transaction: 'done' })
    } finally {
      await rm(page)
    }
  })
})
