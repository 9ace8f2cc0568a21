import { QuorateError } from '../model/index.ts'
import type { AdminPeer } from './admin-app.ts'
import { notAllowed } from './error-answer.ts'
import { json } from './json-answer.ts'
import type { App } from './probe-routes.ts'
import { readFields } from './request-fields.ts'

/** A backup that is to be continued, as its manifest has it. */
export interface ContinuedBackup {
  readonly backupId: string
  readonly historyId: string
  readonly stateSeq: number
  readonly headSeq: number
}

/** Part of a file of a finished backup. */
export interface BackupPart {
  /** Of the whole file. */
  readonly bytes: number
  readonly body: ReadableStream<Uint8Array>
}

/** What can be done about backups of a node; one at a time is made. Rejections are QuorateErrors. */
export interface BackupActions {
  /** What is under way, what was last, and the backups in the node's own directory. */
  overview(): Promise<Readonly<Record<string, unknown>>>
  /** Begins one in the node's own directory, continuing the one named `parent`; answers its name and the number of the job. */
  begin(name: string | undefined, parent: string | undefined): Promise<{ job: number; name: string }>
  /** Makes one for whoever takes it from the stream, an archive. */
  stream(parent: ContinuedBackup | undefined): Promise<ReadableStream<Uint8Array>>
  /** False if nothing was under way. */
  cancel(): boolean
  /** Compares all sums of a finished one. */
  verify(name: string): Promise<Readonly<Record<string, unknown>>>
  manifest(name: string): Promise<Readonly<Record<string, unknown>>>
  part(name: string, file: string, fromByte: number): Promise<BackupPart>
  remove(name: string): Promise<void>
}

const ROOT = '/admin/v1/backups'
const RANGE = /^bytes=(\d{1,15})-$/

/** Backups over the admin port (docs/operate/backup.md). `as` tells who asks; `onAction` hears of what is done. */
export function addBackupRoutes(
  app: App,
  backups: BackupActions,
  as: (request: Request, peer: AdminPeer) => string,
  onAction: (caller: string, action: string) => void,
): void {
  app.get(ROOT, async c => {
    as(c.req.raw, c.env)
    return json(await backups.overview())
  })
  app.post(ROOT, async c => {
    const caller = as(c.req.raw, c.env)
    const { name, parent } = await readFields(c.req.raw, ['name', 'parent'])
    const begun = await backups.begin(optionalText('name', name), optionalText('parent', parent))
    onAction(caller, `POST ${ROOT} ${begun.name}`)
    return json(begun, 202)
  })
  app.post(`${ROOT}/stream`, async c => {
    const caller = as(c.req.raw, c.env)
    const { parent } = await readFields(c.req.raw, ['parent'])
    const body = await backups.stream(parent === undefined ? undefined : continuedBackup(parent))
    onAction(caller, `POST ${ROOT}/stream`)
    return new Response(body, { headers: { 'content-type': 'application/octet-stream' } })
  })
  app.post(`${ROOT}/cancel`, c => {
    onAction(as(c.req.raw, c.env), `POST ${ROOT}/cancel`)
    return json({ isCancelled: backups.cancel() })
  })
  app.post(`${ROOT}/:name/verify`, async c => {
    onAction(as(c.req.raw, c.env), `POST ${ROOT}/${c.req.param('name')}/verify`)
    return json(await backups.verify(c.req.param('name')))
  })
  app.get(`${ROOT}/:name`, async c => {
    as(c.req.raw, c.env)
    return json(await backups.manifest(c.req.param('name')))
  })
  app.delete(`${ROOT}/:name`, async c => {
    onAction(as(c.req.raw, c.env), `DELETE ${ROOT}/${c.req.param('name')}`)
    await backups.remove(c.req.param('name'))
    return json({ removed: c.req.param('name') })
  })
  app.get(`${ROOT}/:name/:file`, async c => {
    const caller = as(c.req.raw, c.env)
    const [name, file] = [c.req.param('name'), c.req.param('file')]
    const fromByte = firstByte(c.req.header('range'))
    const { bytes, body } = await backups.part(name, file, fromByte)
    onAction(caller, `GET ${ROOT}/${name}/${file}`)
    return partAnswer(bytes, fromByte, body)
  })
  for (const [path, methods] of [
    [ROOT, 'GET, HEAD, POST'],
    [`${ROOT}/stream`, 'POST'],
    [`${ROOT}/cancel`, 'POST'],
    [`${ROOT}/:name`, 'GET, HEAD, DELETE'],
    [`${ROOT}/:name/verify`, 'POST'],
    [`${ROOT}/:name/:file`, 'GET, HEAD'],
  ] as const) {
    app.all(path, () => notAllowed(methods))
  }
}

function partAnswer(bytes: number, fromByte: number, body: ReadableStream<Uint8Array>): Response {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(bytes - fromByte) }
  if (fromByte === 0) return new Response(body, { headers: { ...headers, 'accept-ranges': 'bytes' } })
  const range = `bytes ${fromByte}-${Math.max(fromByte, bytes) - 1}/${bytes}`
  return new Response(body, { status: 206, headers: { ...headers, 'content-range': range } })
}

/** @throws QuorateError `invalid_argument` for ranges of another form */
function firstByte(range: string | undefined): number {
  if (range === undefined) return 0
  const match = RANGE.exec(range)
  if (match === null) throw new QuorateError('invalid_argument', 'a range is bytes=FIRST-')
  return Number(match[1])
}

function optionalText(name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw new QuorateError('invalid_argument', `${name} is a text`)
}

function continuedBackup(value: unknown): ContinuedBackup {
  const { backupId, historyId, stateSeq, headSeq } = (
    typeof value === 'object' && value !== null ? value : {}
  ) as Partial<ContinuedBackup>
  const areIds = [backupId, historyId].every(id => /^[0-9a-f]{32}$/.test(id ?? ''))
  const areSeqs = [stateSeq, headSeq].every(seq => Number.isSafeInteger(seq) && seq! >= 1)
  if (areIds && areSeqs) return { backupId: backupId!, historyId: historyId!, stateSeq: stateSeq!, headSeq: headSeq! }
  throw new QuorateError('invalid_argument', 'parent has backupId, historyId, stateSeq and headSeq of the backup')
}
