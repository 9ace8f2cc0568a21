import { utf8Bytes } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { Files, Random } from '../../platform/index.ts'
import { STREAM_FORMAT } from './archive-items.ts'
import { plainSeal, SALT_BYTES } from './archive-seal.ts'
import { ArchiveWriter } from './archive-writer.ts'
import type { ByteSink } from './archive-writer.ts'
import { OWN_CODEC } from './compression.ts'
import { CHECK, MANIFEST, writeManifestTexts } from './manifest.ts'
import type { ManifestTexts } from './manifest.ts'
import { DiskFileSink } from './record-file.ts'
import type { FileSink } from './record-file.ts'

/** Where a backup goes: one file after the other, the manifest last. */
export interface BackupTarget {
  file(name: string): Promise<FileSink>
  /** Makes it a backup. */
  seal(texts: ManifestTexts): Promise<void>
}

/**
 * A directory that is empty or not there yet. Everything is synced before the manifest.
 * @throws QuorateError `invalid_argument` if it is not empty
 */
export async function directoryTarget(files: Files, directory: string): Promise<BackupTarget> {
  await files.makeDirectory(directory)
  if ((await files.list(directory)).length > 0) throw new QuorateError('invalid_argument', `${directory} is not empty`)
  return {
    file: name => DiskFileSink.create(files, `${directory}/${name}`),
    seal: texts => writeManifestTexts(files, directory, texts),
  }
}

/** An archive that is sent while it is made (docs/formats/archive.md, format 2). `fail` says in it why it ends before its end. */
export interface ArchiveTarget extends BackupTarget {
  fail(error: QuorateError): Promise<void>
}

/** Packs what the backup consists of for whoever takes it from `sink`. It is not encrypted: the connection has to be. */
export async function archiveTarget(sink: ByteSink, random: Random): Promise<ArchiveTarget> {
  const writer = new ArchiveWriter(sink, plainSeal(), OWN_CODEC)
  await writer.begin(random.bytes(SALT_BYTES), false, STREAM_FORMAT)
  const text = async (name: string, content: string): Promise<void> => {
    const file = await writer.stream(name)
    await file.write(utf8Bytes(content))
    await file.finish()
  }
  return {
    file: name => writer.stream(name),
    async seal({ manifest, check }) {
      await text(CHECK, check)
      await text(MANIFEST, manifest)
      await writer.end()
    },
    fail: error => writer.fail(error),
  }
}
