import { bytesToHex } from '../../../encoding/index.ts'
import type { Mutation } from '../../../encoding/index.ts'
import { keyOf, PROJECT } from '../names.ts'
import type { Reference } from '../reference.ts'

/** Adds one to a number: what a program does together with something else, to see how often that was done. */
export function countOne(key: string): Mutation {
  return { type: 'kvIncrement', project: PROJECT, key: keyOf(key), by: 1n, width: 64 }
}

/** The number as the newest state has it. */
export function counted(reference: Reference, key: string): number {
  const { lastSeq } = reference
  const found = reference.keys.readAt({ project: PROJECT, key: keyOf(key) }, lastSeq, reference.timeAt(lastSeq))
  return found === undefined ? 0 : Number.parseInt(bytesToHex(found.value), 16)
}
