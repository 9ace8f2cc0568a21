import { createHash, timingSafeEqual } from 'node:crypto'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Files } from '../../platform/index.ts'
import { invalid, readConfiguredFile } from './read-file.ts'

/** What a token opens: the client port, the admin port, of that only backups. */
export type TokenRole = 'client' | 'admin' | 'backup'

/** Who a token stands for. */
export interface TokenHolder {
  /** The caller whose grants apply. */
  readonly caller: string
  readonly roles: readonly TokenRole[]
}

export interface Tokens {
  /** The holder of a token; undefined if it is unknown. Takes as long for a wrong token as for a right one. */
  holderOf(token: string): TokenHolder | undefined
  /** As `holderOf`, of the value of an `Authorization` header; undefined if that is not `Bearer TOKEN`. */
  holderOfHeader(authorization: string | undefined): TokenHolder | undefined
  readonly count: number
  /**
   * Reads the file again; a token that is gone is unknown from now on. If the file is no longer sound the old tokens stay.
   * @throws QuorateError `configuration_invalid`
   */
  reload(): Promise<void>
}

const TOKEN_CHARACTERS_MIN = 16
const TOKEN_CHARACTERS_MAX = 4_096

const entrySchema = z
  .strictObject({
    /** The token itself, or its SHA-256 so that the file holds no secret. */
    token: z.string().min(TOKEN_CHARACTERS_MIN).max(TOKEN_CHARACTERS_MAX).optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/)
      .optional(),
    caller: z.string().min(1).max(255),
    roles: z
      .array(z.enum(['client', 'admin', 'backup']))
      .min(1)
      .default(['client']),
  })
  .refine(({ token, sha256 }) => (token === undefined) !== (sha256 === undefined), 'give either token or sha256')

const fileSchema = z.strictObject({ tokens: z.array(entrySchema).max(10_000) })

interface KnownToken extends TokenHolder {
  readonly hash: Uint8Array
}

/**
 * Reads bearer tokens from a file (YAML, of which JSON is a part): `tokens: [{token | sha256, caller, roles}]`.
 * @throws QuorateError `configuration_invalid`; the message names the path and the field, never a token
 */
export async function openTokens(files: Files, path: string): Promise<Tokens> {
  let known = await readTokens(files, path)
  const holderOf = (token: string): TokenHolder | undefined => find(known, token)
  return {
    holderOf,
    holderOfHeader(authorization) {
      const token = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]
      return token === undefined ? undefined : holderOf(token)
    },
    get count() {
      return known.length
    },
    async reload() {
      known = await readTokens(files, path)
    },
  }
}

/** Looks at every token whichever matches, and compares hashes: time tells neither which one nor how much of it was right. */
function find(known: readonly KnownToken[], token: string): TokenHolder | undefined {
  if (token.length > TOKEN_CHARACTERS_MAX) return undefined
  const hash = sha256(token)
  let found: KnownToken | undefined
  for (const candidate of known) if (timingSafeEqual(candidate.hash, hash)) found = candidate
  return found === undefined ? undefined : { caller: found.caller, roles: found.roles }
}

async function readTokens(files: Files, path: string): Promise<KnownToken[]> {
  const text = await readConfiguredFile(files, path)
  let content: unknown
  try {
    content = parse(text)
  } catch {
    throw invalid(`${path} is no YAML`) // the parser's message quotes the text, which is secret
  }
  const checked = fileSchema.safeParse(content)
  if (!checked.success) {
    const [issue] = checked.error.issues
    throw invalid(`${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not as expected'}`)
  }
  const known = checked.data.tokens.map(({ token, sha256: hex, caller, roles }): KnownToken => ({
    hash: token === undefined ? Buffer.from(hex ?? '', 'hex') : sha256(token),
    caller,
    roles,
  }))
  if (new Set(known.map(({ hash }) => Buffer.from(hash).toString('hex'))).size < known.length) {
    throw invalid(`${path}: the same token is there twice`)
  }
  return known
}

function sha256(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}
