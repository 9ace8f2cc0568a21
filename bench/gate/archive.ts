import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Result } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { benchFolder, timed } from './setup.ts'
import { extractArchive, writeArchive } from '../../src/entry/engine.ts'
import type { ArchiveSummary } from '../../src/entry/engine.ts'

const PAGE_FILE_BYTES = 32 << 20
const KEY = new Uint8Array(32).fill(13)

export async function run(): Promise<Outcome> {
  const [source, target] = [benchFolder(), benchFolder()]
  mkdirSync(`${source}/pages`)
  writeFileSync(`${source}/backup_manifest.json`, '{"x":1}')
  const page = new Uint8Array(PAGE_FILE_BYTES)
  for (let i = 0; i < page.length; i++) page[i] = Math.imul(i, 17) ^ (i >>> 11)
  writeFileSync(`${source}/pages/rows.pages`, page)
  const archive = `${source}/large.archive`
  let summary: ArchiveSummary | undefined
  const writeMs = Math.floor(await timed(async () => (summary = await writeArchive(source, archive, { key: KEY }))))
  const extractMs = Math.floor(await timed(() => extractArchive(archive, target, { key: KEY })))
  const isSame = hashOf(`${source}/pages/rows.pages`) === hashOf(`${target}/pages/rows.pages`)
  const rate = (ms: number): number => Math.floor((PAGE_FILE_BYTES * 1000) / (Math.max(ms, 1) * 1024 * 1024))
  const archiveBytes = summary!.archiveBytes
  return new Result('single_file_archive_large_page_streaming')
    .add('B', { source_bytes: PAGE_FILE_BYTES, archive_bytes: archiveBytes })
    .add('ms', { write: writeMs, extract: extractMs })
    .add('MiB/s', { write_rate: rate(writeMs), extract_rate: rate(extractMs) })
    .check('what is extracted has the SHA-256 of what was archived', isSame)
    .check('all took some time', archiveBytes > 0 && writeMs > 0 && extractMs > 0).outcome
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
