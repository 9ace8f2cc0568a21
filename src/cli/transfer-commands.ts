import type { Command } from 'commander'
import { Option } from 'commander'
import { bytesToHex, streamingSha256, utf8Bytes } from '../encoding/index.ts'
import type { Row } from '../encoding/index.ts'
import { bytesCodec, QuorateError } from '../model/index.ts'
import type { View } from '../model/index.ts'
import type { Files } from '../platform/index.ts'
import type { CommandContext, Session, WithSession } from './context.ts'
import { positiveInteger } from './context.ts'
import { importRecords } from './import-records.ts'
import type { ImportTarget } from './import-records.ts'
import { keyLines, readKeys, readRows, rowLines } from './transfer-records.ts'
import type { KeyRecord, TransferFormat } from './transfer-records.ts'

const CHUNK_BYTES = 262_144
/** Characters that are written together. */
const PIECE_CHARACTERS = 65_536
const PROGRESS_RECORDS = 10_000

/** `quorate export` and `quorate import`: keys of a scope, or rows of a table, as NDJSON or CSV. */
export function addTransferCommands(program: Command, context: CommandContext, withSession: WithSession): void {
  const format = (): Option =>
    new Option('--format <format>', 'default: csv for files that end so').choices(['ndjson', 'csv'])
  program
    .command('export <project> <scope> [table]')
    .description('writes the keys of a scope, or the rows of a table, as of one moment')
    .addOption(format())
    .option('--out <file>', 'a new file; default: standard output')
    .action(withSession((session, command) => exportAll(context, session, command)))
  program
    .command('import <project> <scope> [table]')
    .description('sets keys, or upserts rows; run again after it broke off, it goes on where it was')
    .addOption(format())
    .requiredOption('--file <file>', 'what export has written; - = standard input')
    .option('--batch <records>', 'in one commit', '500')
    .action(withSession((session, command) => importAll(context, session, command)))
}

async function exportAll(context: CommandContext, session: Session, command: Command): Promise<void> {
  const { out } = command.opts<{ out?: string }>()
  await using view = await (await session.database()).view()
  let records = 0
  const counted = async function* <T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const item of items) {
      records++
      if (records % PROGRESS_RECORDS === 0) context.terminal.writeError(`${records} records\n`)
      yield item
    }
  }
  const lines = await linesOf(session, view, targetOf(command), formatOf(command, out), counted)
  await writeAll(context, out, lines)
  context.terminal.writeError(`exported ${records} records as of seq ${view.seq}\n`)
}

type Counting = <T>(items: AsyncIterable<T>) => AsyncIterable<T>

async function linesOf(
  session: Session,
  view: View,
  { project, scope, table }: ImportTarget,
  format: TransferFormat,
  counted: Counting,
): Promise<AsyncIterable<string>> {
  if (table === undefined) {
    const keys = view.kv<Uint8Array>(project, { scope, key: bytesCodec }).scan()
    return keyLines(format, counted(withoutNotes(keys)))
  }
  const target = { project, scope, table }
  const { definition } = await (await session.database()).table(target).describe()
  return rowLines(format, definition.columns, counted(view.table(target).scan() as AsyncIterable<Row>))
}

const NOTE = utf8Bytes('\0quorate:import:')

/** What imports have noted of their progress stays where it is. */
async function* withoutNotes(
  entries: AsyncIterable<{ key: Uint8Array; value: Uint8Array; expiresAtMicros: number | undefined }>,
): AsyncGenerator<KeyRecord> {
  for await (const { key, value, expiresAtMicros } of entries) {
    if (NOTE.every((byte, i) => key[i] === byte)) continue
    yield { key, value, ...(expiresAtMicros !== undefined && { expiresAtMicros }) }
  }
}

async function writeAll(
  { files, terminal }: CommandContext,
  path: string | undefined,
  lines: AsyncIterable<string>,
): Promise<void> {
  const file = path === undefined ? undefined : await files.open(path, 'create')
  let position = 0
  let piece = ''
  const flush = async (): Promise<void> => {
    const bytes = utf8Bytes(piece)
    piece = ''
    if (file === undefined) return terminal.write(bytes)
    await file.write(bytes, position)
    position += bytes.length
  }
  try {
    for await (const line of lines) {
      piece += line
      if (piece.length >= PIECE_CHARACTERS) await flush()
    }
    await flush()
    await file?.sync()
  } finally {
    await file?.close()
  }
}

async function importAll(context: CommandContext, session: Session, command: Command): Promise<void> {
  const { file, batch } = command.opts<{ file: string; batch: string }>()
  const format = formatOf(command, file)
  const target = targetOf(command)
  const { project, scope, table } = target
  const size = positiveInteger('--batch', batch)
  const input = file === '-' ? await context.terminal.readInput() : file
  const bytes = (): AsyncIterable<Uint8Array> =>
    typeof input === 'string' ? readFile(context.files, input) : once(input)
  const id = await identityOf(target, bytes())
  const database = await session.database()
  const columns =
    table === undefined ? undefined : (await database.table({ project, scope, table }).describe()).definition.columns
  const text = textOf(bytes())
  const records: AsyncIterable<KeyRecord | Row> =
    columns === undefined ? readKeys(format, text) : readRows(format, columns, text)
  let told = 0
  const result = await importRecords(database, target, records, {
    id,
    batch: size,
    onProgress: done => {
      if (done - told < PROGRESS_RECORDS) return
      told = done
      context.terminal.writeError(`${done} records\n`)
    },
  })
  session.output.result(result, () => {
    const skipped = result.skipped === 0 ? '' : `, ${result.skipped} of them in an earlier run`
    const expired = result.expired === 0 ? '' : `; the time of ${result.expired} was over`
    session.output.line(`imported ${result.records} records${skipped}${expired}`)
  })
}

/** The same for the same bytes and the same target. */
async function identityOf({ project, scope, table }: ImportTarget, chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = streamingSha256()
  hash.update(utf8Bytes(`${project}/${scope}/${table ?? ''}\n`))
  for await (const chunk of chunks) hash.update(chunk)
  return bytesToHex(hash.finish()).slice(0, 32)
}

async function* readFile(files: Files, path: string): AsyncGenerator<Uint8Array> {
  const file = await files.open(path, 'read')
  try {
    for (let position = 0; ;) {
      const chunk = new Uint8Array(CHUNK_BYTES)
      const length = await file.read(chunk, position)
      if (length === 0) return
      position += length
      yield chunk.subarray(0, length)
    }
  } finally {
    await file.close()
  }
}

async function* once<T>(item: T): AsyncGenerator<T> {
  yield item
}

/** @throws QuorateError `invalid_argument` for what is not UTF-8 */
async function* textOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  try {
    for await (const chunk of chunks) yield utf8.decode(chunk, { stream: true })
    yield utf8.decode()
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new QuorateError('invalid_argument', 'the file is not UTF-8', { cause })
  }
}

function targetOf(command: Command): ImportTarget {
  const [project = '', scope = '', table] = command.args
  return { project, scope, ...(table !== undefined && { table }) }
}

function formatOf(command: Command, file: string | undefined): TransferFormat {
  const { format } = command.opts<{ format?: TransferFormat }>()
  return format ?? (file?.endsWith('.csv') === true ? 'csv' : 'ndjson')
}
