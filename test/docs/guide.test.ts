import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { main as access } from '../../examples/guide/access.ts'
import { main as backup } from '../../examples/guide/backup.ts'
import { main as consistency } from '../../examples/guide/consistency.ts'
import { main as dataModel } from '../../examples/guide/data-model.ts'
import { main as queries } from '../../examples/guide/queries.ts'
import { main as storage } from '../../examples/guide/storage.ts'
import { main as transactions } from '../../examples/guide/transactions.ts'
import { main as watch } from '../../examples/guide/watch.ts'
import { REPLAY_ENTRIES_MAX } from '../../src/engine/index.ts'

const ROOT = join(import.meta.dirname, '../../..')
const PAGES = join(ROOT, 'docs/guide')
const BLOCK = /```ts (examples\/guide\/[a-z-]+\.ts) \[([a-z]+)\]\n([\s\S]*?)```/g

/** Lines between `// [name]` and `// [/name]`, without their common indentation, as a user of the package writes them. */
function region(source: string, name: string): string {
  const lines = source.split('\n')
  const start = lines.findIndex(line => line.trim() === `// [${name}]`)
  const end = lines.findIndex(line => line.trim() === `// [/${name}]`)
  assert.ok(start >= 0 && end > start, `no region ${name}`)
  const inside = lines.slice(start + 1, end)
  const indents = inside.filter(line => line.trim() !== '').map(line => line.length - line.trimStart().length)
  const indent = Math.min(...indents)
  const text = inside.map(line => line.slice(indent)).join('\n')
  return `${text.replaceAll("'../../src/entry/engine.ts'", "'quorate/engine'")}\n`
}

describe('the guide', () => {
  it('shows the code that the examples run', async () => {
    const isWritten = process.env['QUORATE_WRITE_GUIDE'] === '1'
    let blocks = 0
    for (const page of await readdir(PAGES)) {
      const text = await readFile(join(PAGES, page), 'utf8')
      const sources = new Map<string, string>()
      for (const [, file = ''] of text.matchAll(BLOCK)) sources.set(file, await readFile(join(ROOT, file), 'utf8'))
      const expected = text.replaceAll(BLOCK, (_, file: string, name: string) => {
        blocks++
        return `\`\`\`ts ${file} [${name}]\n${region(sources.get(file)!, name)}\`\`\``
      })
      if (isWritten) await writeFile(join(PAGES, page), expected)
      else assert.equal(text, expected, `${page} differs from its examples: QUORATE_WRITE_GUIDE=1 writes it anew`)
      const all = [...text.matchAll(/```ts/g)].length
      assert.equal(all, [...text.matchAll(BLOCK)].length, `${page} has code that nothing runs`)
    }
    assert.ok(blocks >= 20, `${blocks} blocks`)
  })

  it('says how many entries a read at an older seq applies again', async () => {
    const text = await readFile(join(PAGES, 'consistency.md'), 'utf8')
    const bounds = [...text.matchAll(/\b(\d\d,\d{3}) (?:at most|entries)/g)].map(([, bound]) => bound)
    assert.deepEqual(
      bounds,
      Array.from({ length: 2 }, () => REPLAY_ENTRIES_MAX.toLocaleString('en-US')),
    )
  })

  const expectations: readonly [
    string,
    (directory: string, print: (line: string) => void) => Promise<void>,
    string[],
  ][] = [
    [
      'storage',
      storage,
      [
        'true true',
        'true true',
        'true true',
        'a page that never changes',
        'seal_key_missing',
        'damaged',
        'superblock of data; complete: true',
        'well',
        'untrusted_directory',
      ],
    ],
    [
      'data-model',
      dataModel,
      [
        '100000000000000000000 null',
        'a gift bigint',
        'customers: 1 rows, 1 indexes are ready',
        'orders: 3 rows, 2 indexes are ready',
        'eur',
        '1',
      ],
    ],
    [
      'transactions',
      transactions,
      [
        '70',
        'Error: bob has not got 1000',
        'refused: assertion 0 does not hold',
        '50',
        '12 2 bob',
        'true',
        'ann worker-1 done',
      ],
    ],
    [
      'queries',
      queries,
      [
        '148:1480 146:1460 144:1440',
        'Bob: 75 orders, 56250 cents',
        'Ann: 75 orders, 55500 cents',
        'Ann 0, Ann 50, Ann 100, Bob 1, Eve -',
        '40 and 35, of one state: true',
        '56250',
        '1 1.1 1.2',
        '150 149',
        'index customer_cents, ordered by it: true',
        'scan: read 150, gave 75',
        'topK: read 0, gave 75',
        'project: read 0, gave 75',
      ],
    ],
    [
      'consistency',
      consistency,
      [
        '10',
        '10 then, 7 now',
        'seq_unavailable: up to 1 after the insert',
        '7 and 7 in views, true',
        '0 in the checkpoint, true',
        'durable: true',
      ],
    ],
    [
      'watch',
      watch,
      [
        'put ann/1 new',
        'put bob/2 new',
        'put ann/1 paid',
        'delete bob/2',
        'ann: put new',
        'ann: put paid',
        'delete cart/ann',
      ],
    ],
    [
      'backup',
      backup,
      [
        'full and incremental',
        'the digest has 16 digits',
        '5 orders, and the history is another: true',
        'not before monday',
        '3 rows',
        'shop shop_monday',
        'the members hold the same: true',
      ],
    ],
    ['access', access, ['bob: permission_denied', 'ann sees 1 of 2', 'ann reads note 2: nothing', 'ann sees 2 now']],
  ]
  for (const [name, example, lines] of expectations) {
    it(`says of ${name} what is so`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'quorate-guide-'))
      const printed: string[] = []
      try {
        await example(directory, line => printed.push(line))
      } finally {
        await rm(directory, { recursive: true })
      }
      assert.deepEqual(printed, lines)
    })
  }
})
