import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkHouse } from './check-house.ts'
import { formatViolation } from './violation.ts'

/** A tree of rooms that keeps every rule. The examples below change one thing in it. */
function goodTree(): Map<string, string> {
  const files = new Map<string, string>()
  for (const room of 'platform encoding model log engine raft transport client admin node cli entry testing'.split(
    ' ',
  )) {
    files.set(`src/${room}/README.md`, `# ${room}\n`)
    files.set(`src/${room}/index.ts`, `export const ${room} = 1\n`)
  }
  files.set(
    'src/platform/node/index.ts',
    "import { statSync } from 'node:fs'\nexport const now = () => [Date.now(), statSync]\n",
  )
  files.set('src/engine/kv/index.ts', "export { get } from './get.ts'\n")
  files.set('src/engine/kv/get.ts', 'export const get = 1\n')
  files.set('src/engine/keyspace/index.ts', "export { page } from './page.ts'\n")
  files.set('src/engine/keyspace/page.ts', 'export const page = 1\n')
  files.set('src/engine/state-machine.ts', "import { get } from './kv/index.ts'\nimport { step } from './step.ts'\n")
  files.set(
    'src/engine/step.ts',
    "import { model } from '../model/index.ts'\nimport { page } from './keyspace/index.ts'\n",
  )
  files.set('src/raft/core/index.ts', 'export const core = 1\n')
  files.set('src/raft/replica.ts', "import { core } from './core/index.ts'\nimport { log } from '../log/index.ts'\n")
  files.set('src/transport/peer/index.ts', "import { WebSocket } from 'ws'\n")
  files.set(
    'src/node/node.ts',
    "import { now } from '../platform/node/index.ts'\nimport '../transport/peer/index.ts'\n",
  )
  files.set('src/cli/main.ts', "import { node } from '../node/index.ts'\nprocess.exitCode = process.argv.length\n")
  files.set('src/entry/testing.ts', "export { testing } from '../testing/index.ts'\n")
  files.set(
    'package.json',
    JSON.stringify({
      bin: { quorate: './dist/src/cli/main.js' },
      files: ['dist/src', 'src', 'LICENSE'],
      exports: {
        '.': { types: './dist/src/entry/index.d.ts', default: './dist/src/entry/index.js' },
        './testing': { types: './dist/src/entry/testing.d.ts', default: './dist/src/entry/testing.js' },
        './package.json': './package.json',
      },
      scripts: { start: 'x', test: 'x', sim: 'x' },
      dependencies: { ws: '1', '@noble/hashes': '1' },
    }),
  )
  return files
}

/** The violations of the good tree with these files added, replaced, or (undefined) removed. */
function check(changes: Readonly<Record<string, string | undefined>>): string[] {
  const files = goodTree()
  for (const [file, text] of Object.entries(changes)) {
    if (text === undefined) files.delete(file)
    else files.set(file, text)
  }
  return checkHouse(files).map(formatViolation)
}

function itReports(
  rule: string,
  title: string,
  changes: Readonly<Record<string, string | undefined>>,
  place?: string,
): void {
  it(`reports ${title}`, () => {
    const found = check(changes)
    const where = place ?? `${Object.keys(changes)[0]}:1`
    assert.equal(found.length, 1, `expected one violation, not:\n${found.join('\n')}`)
    assert.ok(found[0]?.startsWith(`${where} [${rule}] `), `expected ${where} [${rule}], not: ${found[0]}`)
  })
}

function itAllows(title: string, changes: Readonly<Record<string, string | undefined>>): void {
  it(`allows ${title}`, () => assert.deepEqual(check(changes), []))
}

describe('arrows between rooms', () => {
  itAllows('a tree that keeps every rule', {})
  itReports('arrow', 'raft importing engine', { 'src/raft/a.ts': "import { engine } from '../engine/index.ts'\n" })
  itReports('arrow', 'engine importing raft', { 'src/engine/a.ts': "import { raft } from '../raft/index.ts'\n" })
  itReports('arrow', 'a type-only import against an arrow', {
    'src/model/a.ts': "import type { engine } from '../engine/index.ts'\n",
  })
  itReports('arrow', 'a re-export against an arrow', { 'src/encoding/a.ts': "export * from '../model/index.ts'\n" })
  itReports(
    'arrow',
    'a dynamic import against an arrow',
    {
      'src/client/a.ts': "export const f = () =>\n  import('../node/index.ts')\n",
    },
    'src/client/a.ts:2',
  )
  itReports(
    'arrow',
    'an import that is spread over lines and comments',
    {
      'src/log/a.ts': "import {\n  engine, // from './x.ts'\n} /* from 'y' */ from\n  '../engine/index.ts'\n",
    },
    'src/log/a.ts:3',
  )
  itReports('arrow', 'transport importing the engine', { 'src/transport/a.ts': "import '../engine/index.ts'\n" })
  itReports('arrow', 'admin importing transport', { 'src/admin/a.ts': "import '../transport/index.ts'\n" })
  itReports('arrow', 'cli binding the real platform', { 'src/cli/a.ts': "import '../platform/node/index.ts'\n" })
  itReports('arrow', 'the engine binding the real platform', {
    'src/engine/a.ts': "import '../platform/node/index.ts'\n",
  })
  itReports('arrow', 'the platform importing a room', { 'src/platform/a.ts': "import '../encoding/index.ts'\n" })
  itReports('arrow', 'a product room importing testing', { 'src/node/a.ts': "import '../testing/index.ts'\n" })
  itReports('arrow', 'an entry file other than testing importing testing', {
    'src/entry/index.ts': "import '../testing/index.ts'\n",
  })
  itReports('arrow', 'raft/core importing a port', { 'src/raft/core/a.ts': "import '../../platform/index.ts'\n" })
  itReports('arrow', 'raft/core importing the model', { 'src/raft/core/a.ts': "import '../../model/index.ts'\n" })
  itReports('arrow', 'raft/core importing raft', {
    'src/raft/core/a.ts': "import '../other.ts'\n",
    'src/raft/other.ts': '',
  })
  itReports('arrow', 'raft/core importing a part of Node', { 'src/raft/core/a.ts': "import 'node:assert'\n" })
  itAllows('ports of the platform in every other room', {
    'src/encoding/a.ts': "import type { platform } from '../platform/index.ts'\n",
  })
})

describe('doors of rooms', () => {
  itReports('door', 'an import past the index of another room', { 'src/node/a.ts': "import '../engine/step.ts'\n" })
  itReports('door', 'an import past the index of a sub-room of another room', {
    'src/node/a.ts': "import '../transport/peer/link.ts'\n",
    'src/transport/peer/link.ts': '',
  })
  itReports('door', 'an import past the index of a sub-room of the same room', {
    'src/engine/a.ts': "import './kv/get.ts'\n",
  })
  itReports('door', 'an import between sub-rooms past the index', {
    'src/engine/kv/a.ts': "import '../keyspace/page.ts'\n",
  })
  itReports('door', 'an import past the index of a directory inside a sub-room', {
    'src/engine/kv/a.ts': "import './inner/b.ts'\n",
    'src/engine/kv/inner/index.ts': '',
    'src/engine/kv/inner/b.ts': '',
  })
  itReports('door', 'a named sub-room without an index', { 'src/engine/catalog/a.ts': '' })
  itReports('unknown-room', 'a file in a room that the design does not have', { 'src/utils/a.ts': '' })
  itReports('unknown-room', 'a file beside the rooms', { 'src/a.ts': '' })
  itReports('unresolved', 'an import of a file that does not exist', { 'src/log/a.ts': "import './b.ts'\n" })
  itReports('unresolved', 'an import that leaves src', { 'src/log/a.ts': "import '../../test/x.ts'\n" })
  itReports('unresolved', 'an import without the .ts ending', { 'src/log/a.ts': "import './index.js'\n" })
  itReports('arrow', 'a required module', { 'src/log/a.ts': "const a = require('../engine/index.ts')\n" })
  itReports('computed-import', 'an import of a computed name', {
    'src/log/a.ts': 'export const f = (x: string) => import(x)\n',
  })
  itAllows('a computed import in the port that starts threads', {
    'src/platform/node/threads.ts': 'export const start = (url: string) => import(url)\n',
  })
  itAllows('free imports in a directory that is no room of its own', {
    'src/log/a.ts': "import './lanes/inline.ts'\n",
    'src/log/lanes/inline.ts': '',
  })
  itAllows('entry files without an index', { 'src/entry/index.ts': undefined })
  itAllows('the command line to take the entry file that binds what it needs', {
    'src/cli/main.ts': "import { testing } from '../entry/testing.ts'\n",
  })
  itAllows('relative imports inside a room', { 'src/engine/kv/a.ts': "import './get.ts'\nimport '../step.ts'\n" })
  itAllows('what only looks like an import', {
    'src/log/a.ts': [
      "// import '../engine/index.ts'",
      "/* export * from '../engine/index.ts' */",
      'const a = "from \'../engine/index.ts\'"',
      "const b = `import '../engine/index.ts' ${`from '../raft/index.ts'`} // ${'}'} from 'x'`",
      "const c = /['\"`]/.test(a) ? 1 / 2 : /[/'] from 'x'/",
      "const d = Array.from('abc')",
      'class E { require(page: number): void {} }',
    ].join('\n'),
  })
})

describe('import cycles', () => {
  itReports('cycle', 'two files that import each other', {
    'src/log/a.ts': "import './b.ts'\n",
    'src/log/b.ts': "import './a.ts'\n",
  })
  itReports('cycle', 'a cycle of three through types only', {
    'src/log/a.ts': "import type { B } from './b.ts'\n",
    'src/log/b.ts': "export type { C } from './c.ts'\n",
    'src/log/c.ts': "import type { A } from './a.ts'\n",
  })
  itReports('cycle', 'a file that imports itself', { 'src/log/a.ts': "import './a.ts'\n" })
  itAllows('two ways to the same file', {
    'src/log/a.ts': "import './b.ts'\nimport './c.ts'\n",
    'src/log/b.ts': "import './c.ts'\n",
    'src/log/c.ts': '',
  })
})

describe('packages and parts of Node', () => {
  itReports('dependency', 'a package that is no runtime dependency', {
    'src/model/a.ts': "import fc from 'fast-check'\n",
  })
  itReports('dependency', 'the package importing itself', { 'src/model/a.ts': "import 'quorate/client'\n" })
  itReports('websocket', 'ws outside the links', { 'src/client/session.ts': "import { WebSocket } from 'ws'\n" })
  for (const part of 'fs fs/promises net child_process worker_threads os timers/promises perf_hooks dgram process'.split(
    ' ',
  )) {
    itReports('builtin', `node:${part} outside platform/node`, { 'src/engine/a.ts': `import 'node:${part}'\n` })
  }
  itReports('builtin', 'a part of Node without its prefix', {
    'src/engine/a.ts': "import { readFileSync } from 'fs'\n",
  })
  itReports('builtin', 'a server outside the doors', { 'src/engine/a.ts': "import 'node:http'\n" })
  itAllows('a dependency, its sub-path, and harmless parts of Node', {
    'src/client/node-link.ts': "import { WebSocket } from 'ws'\n",
    'src/encoding/a.ts': "import '@noble/hashes/sha2.js'\nimport 'node:zlib'\nimport 'node:util/types'\n",
    'src/transport/http.ts': "import { createServer } from 'node:http'\n",
  })
})

describe('clock, randomness, timers, environment', () => {
  const banned = [
    'Date.now()',
    'new Date()',
    'performance.now()',
    'Math.random()',
    'setTimeout(f, 1)',
    'setInterval(f, 1)',
    'setImmediate(f)',
    'process.env',
    'process.hrtime()',
    "process['env']",
    'globalThis.setTimeout',
    'crypto.randomUUID()',
    'AbortSignal.timeout(5)',
    'fetch(url)',
    'void fetch(url)',
    'fetch',
    'new WebSocket(url)',
    'new Worker(url)',
    'Atomics.wait(a, 0, 0, 5)',
    'AbortSignal',
    'global.setTimeout(f, 1)',
    'self.performance.now()',
    "process.getBuiltinModule('node:fs')",
    '`${Date.now()}`',
    'Math',
  ]
  for (const code of banned) {
    it(`reports ${code}`, () => {
      const found = check({ 'src/transport/a.ts': `// a comment\nexport const x = ${code}\n` })
      assert.ok(found.length > 0, 'nothing was reported')
      for (const line of found) assert.ok(line.startsWith('src/transport/a.ts:2 [world] '), line)
    })
  }
  itReports(
    'world',
    'randomness of node:crypto',
    {
      'src/transport/a.ts': "import { createHash,\n randomBytes } from 'node:crypto'\n",
    },
    'src/transport/a.ts:2',
  )
  itReports(
    'world',
    'randomness of the whole of node:crypto',
    { 'src/transport/a.ts': "import * as c from 'node:crypto'\nc.randomBytes(8)\n" },
    'src/transport/a.ts:2',
  )
  itReports('world', 'the process in a room that is no program', { 'src/engine/a.ts': 'process.nextTick(f)\n' })
  itReports('world', 'the environment in the command line', { 'src/cli/main.ts': 'const a = process.env\n' })
  itReports('world', 'the environment taken apart', { 'src/cli/main.ts': 'const { env } = process\n' })
  itAllows('the same words as properties, parts of names, strings and comments', {
    'src/transport/a.ts': [
      '/** Date, performance.now() and setTimeout() */',
      "const a = 'Date.now()' + ports.clock.performance + ports.setTimeout(f)",
      'const b: { performance?: number; Date: string } = { performance: 1, Date: `Math.random()` }',
      'const c = updateDate + DateOfBirth + Math.max(1, 2)',
      'queueMicrotask(f)',
      'random.randomBytes(8)',
    ].join('\n'),
  })
  itAllows("a process that is the file's own", {
    'src/engine/a.ts': 'export const f = (process: Process) => process.onCrash()\n',
  })
  itAllows('the browser half of the client to use what a browser has', {
    'src/client/browser/link.ts': 'export const now = () => performance.now() + Date.now()\n',
  })
})

describe('apply', () => {
  const banned = [
    'new Intl.Collator()',
    'a.localeCompare(b)',
    'a.toLocaleString()',
    'a.toLowerCase()',
    'a.toUpperCase()',
    'a.normalize()',
    'Math.pow(a, b)',
    'Math.log2(a)',
    'Math.sin(a)',
    'JSON.stringify(a)',
    'a.catch(f)',
    'new WeakRef(a)',
  ]
  for (const code of banned) {
    itReports('apply', `${code} in a directory of apply`, { 'src/engine/kv/get.ts': `export const get = ${code}\n` })
  }
  itReports('apply', 'a ban in what the state machine reaches', {
    'src/engine/step.ts': 'const a = b.localeCompare(c)\n',
  })
  itReports('apply', 'a ban in the model that apply is built of', {
    'src/model/index.ts': 'export const model = (a: string) => a.toLowerCase()\n',
  })
  itReports(
    'apply',
    'a catch without a binding',
    { 'src/engine/step.ts': 'try {\n f()\n} catch {\n}\n' },
    'src/engine/step.ts:3',
  )
  itReports('apply', 'a catch that rethrows nothing', {
    'src/engine/step.ts': 'try { f() } catch (error) {\n  if (a) { b() }\n}\nthrow new Error()\n',
  })
  itAllows('a catch that names an error and rethrows the rest', {
    'src/engine/step.ts': 'try { f() } catch (error) {\n  if (!(error instanceof RangeError)) { throw error }\n}\n',
  })
  itAllows('the same outside apply, in the physical layer, and behind a type-only import', {
    'src/engine/open.ts': 'try { f(Math.pow(a, b), JSON.stringify(c)) } catch {}\n',
    'src/engine/keyspace/page.ts': 'export const page = Math.log2(8)\n',
    'src/engine/step.ts': "import type { open } from './open.ts'\n",
  })
  itAllows('exact functions of Math', {
    'src/engine/kv/get.ts': 'export const get = Math.sqrt(4) + Math.floor(2) + Math.imul(1, 2)\n',
  })
})

describe('files and pages', () => {
  itReports('length', 'a source of more than 600 lines', { 'src/log/a.ts': '\n'.repeat(601) }, 'src/log/a.ts:600')
  itAllows('a source of 600 lines', { 'src/log/a.ts': '\n'.repeat(600) })
  itAllows('the same outside src', { 'test/log/a.ts': `// TODO\n${'\n'.repeat(700)}` })
  itReports(
    'unfinished',
    'work that is announced instead of done',
    {
      'src/log/a.ts': '\n// TODO: sync\n',
    },
    'src/log/a.ts:2',
  )
  itReports(
    'readme',
    'a room page of more than 20 lines',
    { 'src/log/README.md': 'x\n'.repeat(21) },
    'src/log/README.md:20',
  )
  itReports(
    'readme',
    'a sub-room without a page where the room has no files of its own',
    {
      'src/transport/index.ts': undefined,
      'src/transport/README.md': undefined,
      'src/node/node.ts': undefined,
    },
    'src/transport/peer/README.md:1',
  )
  it('reports a room without a page', () => {
    const files = goodTree()
    files.delete('src/log/README.md')
    assert.deepEqual(
      checkHouse(files).map(({ rule, file }) => `${rule} ${file}`),
      ['readme src/log/README.md'],
    )
  })
  itReports(
    'command',
    'a command in a page that is no script',
    {
      'README.md': 'npm run prose\n```sh\nnpm ci\nnpm test\nnpm run smi -- --seeds 1\n```\n',
    },
    'README.md:5',
  )
})

describe('what a browser loads', () => {
  const exported = JSON.stringify({
    dependencies: { ws: '1' },
    exports: {
      '.': './dist/src/entry/index.js',
      './client': { browser: { types: './dist/src/entry/browser.d.ts', default: './dist/src/entry/browser.js' } },
      './testing': './dist/src/entry/testing.js',
    },
  })
  const entry = { 'package.json': exported, 'src/entry/browser.ts': "export { client } from '../client/index.ts'\n" }
  itAllows('a browser condition with an entry file of its own', entry)
  itReports('browser', 'a part of Node that its code reaches', {
    'src/encoding/index.ts': "import { crc32 } from 'node:zlib'\n",
    'src/client/index.ts': "import { encoding } from '../encoding/index.ts'\nexport const client = encoding\n",
    ...entry,
  })
  itReports('browser', 'a global of Node that its code uses', {
    'src/client/index.ts': 'export const client = Buffer.alloc(1)\n',
    ...entry,
  })
  itAllows('a part of Node behind a type-only import', {
    'src/encoding/index.ts': "import { crc32 } from 'node:zlib'\n",
    'src/client/index.ts': "import type { encoding } from '../encoding/index.ts'\n",
    ...entry,
  })
})

describe('links of pages', () => {
  const root = { 'README.md': '[a](docs/a.md)\n' }
  itReports('page', 'a link that leads nowhere', { ...root, 'docs/a.md': 'See [this](b.md#part).\n' }, 'docs/a.md:1')
  itReports(
    'page',
    'a file that a page names and nobody wrote',
    { ...root, 'docs/a.md': '\nIn `src/log/writer.ts`.\n' },
    'docs/a.md:2',
  )
  itReports(
    'page',
    'a decision that the index does not list',
    {
      'README.md': '[decisions](docs/adr/)\n',
      'docs/adr/0009-x.md': '# 0009\n',
      'docs/adr/README.md': '[0008](0008-y.md)\n',
      'docs/adr/0008-y.md': 'Once there was `src/log/old.ts`.\n',
    },
    'docs/adr/0009-x.md:1',
  )
  itReports('page', 'a page of docs/ that none leads to', { 'docs/b.md': '[itself](b.md)\n' }, 'docs/b.md:1')
  itAllows('a page that another links to, or its directory', {
    'README.md': '[a](docs/a/) [b](docs/a/b.md#part)\n',
    'docs/a/README.md': '# A\n',
    'docs/a/b.md': '# B\n',
  })
  itAllows("notes that are none of the project's pages", { 'NOTES.md': '[a](b.md)\n' })
  itAllows('links to files, directories and the web, and anything in a code fence', {
    'README.md': '[a](docs/a.md)\n',
    'docs/a.md':
      '[a](../src/log/index.ts) [b](../src/log/) [c](https://x.org/y) `src/log/index.ts`\n```\n[d](e.md)\n```\n',
  })
})

describe('package.json', () => {
  const release = { 'CHANGELOG.md': '# Changes\n\n## [0.1.0] - 2026-12-01\n' }
  itReports('package', 'an entry file that nobody can import', { 'src/entry/client.ts': '' }, 'package.json:1')
  itReports('package', 'an export that leads past the entry files', {
    'package.json': JSON.stringify({
      dependencies: { ws: '1' },
      exports: {
        '.': './dist/src/entry/index.js',
        './testing': './dist/src/entry/testing.js',
        './log': './dist/src/log/index.js',
      },
    }),
  })
  itReports('package', 'types that belong to another file than the code', {
    'package.json': JSON.stringify({
      dependencies: { ws: '1' },
      exports: { '.': { types: './dist/src/entry/testing.d.ts', default: './dist/src/entry/index.js' } },
    }),
  })
  itReports('package', 'a promised file that a release does not have', release, 'package.json:1')
  itReports('lock', 'a lock file of one platform', {
    'package-lock.json': JSON.stringify({
      packages: {
        'node_modules/a': { integrity: 'sha512-1', optionalDependencies: { '@a/linux': '1', '@a/darwin': '1' } },
        'node_modules/@a/linux': { integrity: 'sha512-2' },
      },
    }),
  })
  itReports('lock', 'an entry of the lock file without a hash', {
    'package-lock.json': JSON.stringify({ packages: { '': {}, 'node_modules/a': { version: '1.0.0' } } }),
  })
  itAllows('a release that has what it promises', { ...release, LICENSE: 'Apache' })
})
