import { FileError } from '../platform/index.ts'
import type { File, Files } from '../platform/index.ts'
import { segmentName } from './file-names.ts'
import { isMutant } from './mutants.ts'

/** Opens or creates a segment's file, fills it with zeros to `bytes`, syncs it, and makes its name durable (rule D10). */
export async function createSegmentFile(
  files: Files,
  directory: string,
  segment: number,
  bytes: number,
): Promise<File> {
  const path = `${directory}/${segmentName(segment)}`
  const file = await openOrCreate(files, path)
  try {
    await file.preallocate(Math.max(bytes, file.sizeSync()))
    if (isMutant('recycled_segment')) await fillFrom(files, `${directory}/${segmentName(segment - 1)}`, file)
    await syncDirectory(files, directory)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** For a mutant only: what another segment holds, as if that file was used again. */
async function fillFrom(files: Files, path: string, file: File): Promise<void> {
  const size = await files.size(path)
  if (size === undefined) return
  const other = await files.open(path, 'read')
  const bytes = new Uint8Array(Math.min(size, file.sizeSync()))
  await other.read(bytes, 0)
  await other.close()
  await file.write(bytes, 0)
  await file.sync()
}

async function openOrCreate(files: Files, path: string): Promise<File> {
  try {
    return await files.open(path, 'create')
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== 'already_exists') throw error
    return files.open(path, 'readWrite')
  }
}

export async function syncDirectory(files: Files, directory: string): Promise<void> {
  if (!isMutant('skip_directory_sync')) await files.syncDirectory(directory)
}

/** Writes zeros over [from, to) of a file and syncs it (rule W4). */
export async function zeroRange(file: File, from: number, to: number): Promise<void> {
  if (isMutant('keep_bytes_after_truncation')) return
  const zeros = new Uint8Array(Math.min(1_048_576, to - from))
  for (let at = from; at < to; at += zeros.length) {
    await file.write(zeros.subarray(0, Math.min(zeros.length, to - at)), at)
  }
  await file.sync()
}
