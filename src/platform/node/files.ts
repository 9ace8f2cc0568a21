import * as fs from 'node:fs/promises'
import { closeSync, fstatSync, open, openSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DirectoryLock, File, Files } from '../index.ts'
import { lockDirectory } from './directory-lock.ts'
import { systemCodeOf, toFileError } from './file-error.ts'
import { NodeFile } from './file.ts'
import { syncDirectory } from './sync-directory.ts'

const FLAGS = { create: 'wx+', readWrite: 'r+', read: 'r' } as const

/** The real file system. Data directories and files are made for their owner only (0700, 0600). */
export function nodeFiles(): Files {
  return {
    open: openFile,
    openSync: openFileSync,
    list: directory => attempt('list', directory, async () => (await fs.readdir(directory)).sort()),
    makeDirectory: directory => attempt('makeDirectory', directory, () => makeDirectory(directory)),
    size: fileSize,
    rename: (from, to) => attempt('rename', from, () => fs.rename(from, to)),
    remove: path => attempt('remove', path, () => unlessNotFound(fs.unlink(path))),
    removeTree: path =>
      attempt('removeTree', path, () => unlessNotFound(fs.rm(path, { recursive: true, force: true }))),
    syncDirectory: directory => attempt('syncDirectory', directory, () => syncDirectory(directory)),
    lock: (directory): Promise<DirectoryLock> => attempt('lock', directory, () => lockDirectory(directory)),
    freeBytes: path =>
      attempt('freeBytes', path, async () => {
        const system = await fs.statfs(path)
        return system.bavail * system.bsize
      }),
  }
}

function openFile(path: string, mode: 'create' | 'readWrite' | 'read'): Promise<File> {
  return new Promise((resolve, reject) => {
    open(path, FLAGS[mode], 0o600, (error, descriptor) => {
      try {
        if (error !== null) throw error
        resolve(fileOf(path, mode, descriptor))
      } catch (failure) {
        reject(toFileError(failure, mode === 'create' ? 'create' : 'open', path))
      }
    })
  })
}

function openFileSync(path: string, mode: 'create' | 'readWrite' | 'read'): File {
  try {
    return fileOf(path, mode, openSync(path, FLAGS[mode], 0o600))
  } catch (error) {
    throw toFileError(error, mode === 'create' ? 'create' : 'open', path)
  }
}

/** Linux opens a directory for reading, and would fail only at the first read. */
function fileOf(path: string, mode: 'create' | 'readWrite' | 'read', descriptor: number): File {
  if (mode === 'read' && fstatSync(descriptor).isDirectory()) {
    closeSync(descriptor)
    throw toFileError({ code: 'EISDIR' }, 'open', path)
  }
  return new NodeFile(path, descriptor)
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    const found = await fs.stat(path)
    return found.isFile() ? found.size : undefined
  } catch (error) {
    const failure = toFileError(error, 'size', path)
    if (failure.code === 'not_found') return undefined
    throw failure
  }
}

async function makeDirectory(directory: string, isParentMade = false): Promise<void> {
  try {
    await fs.mkdir(directory, { mode: 0o700 })
  } catch (error) {
    const systemCode = systemCodeOf(error)
    if (systemCode === 'EEXIST' && (await fs.stat(directory)).isDirectory()) return
    // An empty path stays without a directory, whatever is made above it.
    if (systemCode !== 'ENOENT' || dirname(directory) === directory || isParentMade) throw error
    await makeDirectory(dirname(directory))
    await makeDirectory(directory, true)
    return
  }
  await syncDirectory(dirname(directory))
}

async function attempt<T>(operation: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw toFileError(error, operation, path)
  }
}

async function unlessNotFound(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (toFileError(error, '', '').code !== 'not_found') throw error
  }
}
