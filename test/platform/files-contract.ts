import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FileError } from '../../src/platform/index.ts'
import type { File, Files } from '../../src/platform/index.ts'

/** A fresh directory of a file system under test. */
export interface Place {
  files: Files
  /** An existing, empty directory. */
  directory: string
}

/** What every implementation of `Files` promises. Run against the real and the simulated one, so that these cannot drift apart. */
export function describeFiles(name: string, openPlace: () => Promise<Place>): void {
  describe(`${name} files: contents`, () => {
    it('gives back what was written, and zeros where nothing was', async () => {
      const { file } = await newFile(openPlace)
      await file.write(pattern(1000, 1), 40_000)
      file.writeSync(pattern(500, 2), 40_900)
      const bytes = new Uint8Array(50_000)
      assert.equal(await file.read(bytes, 0), 41_400)
      assert.ok(bytes.subarray(0, 40_000).every(byte => byte === 0))
      assert.deepEqual(bytes.subarray(40_000, 40_900), pattern(1000, 1).subarray(0, 900))
      assert.deepEqual(bytes.subarray(40_900, 41_400), pattern(500, 2))
      assert.equal(file.sizeSync(), 41_400)
    })

    it('reads less than asked at the end of the file, and nothing past it', async () => {
      const { file } = await newFile(openPlace)
      await file.write(pattern(10, 1), 0)
      assert.equal(file.readSync(new Uint8Array(100), 4), 6)
      assert.equal(await file.read(new Uint8Array(100), 10), 0)
      assert.equal(file.readSync(new Uint8Array(100), 5000), 0)
    })

    it('takes an empty write, which does not extend the file', async () => {
      const { file } = await newFile(openPlace)
      await file.write(new Uint8Array(0), 100)
      file.writeSync(new Uint8Array(0), 100)
      assert.equal(file.sizeSync(), 0)
    })

    it('forgets what truncation cut off, even when the file grows again', async () => {
      const { file } = await newFile(openPlace)
      await file.write(pattern(3000, 1), 0)
      await file.truncate(700)
      assert.equal(file.sizeSync(), 700)
      file.truncateSync(3000)
      const bytes = new Uint8Array(3000)
      assert.equal(file.readSync(bytes, 0), 3000)
      assert.deepEqual(bytes.subarray(0, 700), pattern(3000, 1).subarray(0, 700))
      assert.ok(bytes.subarray(700).every(byte => byte === 0))
    })

    it('preallocates zeros behind what is there, and never shrinks', async () => {
      const { file } = await newFile(openPlace)
      await file.write(pattern(100, 1), 0)
      await file.preallocate(2_500_000)
      assert.equal(file.sizeSync(), 2_500_000)
      await file.preallocate(50)
      assert.equal(file.sizeSync(), 2_500_000)
      const bytes = new Uint8Array(200)
      await file.read(bytes, 0)
      assert.deepEqual(bytes.subarray(0, 100), pattern(100, 1))
      assert.ok(bytes.subarray(100).every(byte => byte === 0))
    })

    it('syncs either way', async () => {
      const { file } = await newFile(openPlace)
      await file.write(pattern(100, 1), 0)
      await file.sync()
      file.syncSync()
    })

    it('shows one file through two handles', async () => {
      const { file, files } = await newFile(openPlace)
      const reader = await files.open(file.path, 'read')
      file.writeSync(pattern(600, 3), 0)
      const bytes = new Uint8Array(600)
      assert.equal(reader.readSync(bytes, 0), 600)
      assert.deepEqual(bytes, pattern(600, 3))
      await reader.close()
    })

    it('refuses every call on a closed file', async () => {
      const { file } = await newFile(openPlace)
      await file.close()
      await file.close()
      await assert.rejects(file.write(pattern(1, 1), 0), isFileError('io_failed', 'EBADF'))
      await assert.rejects(file.sync(), isFileError('io_failed', 'EBADF'))
      assert.throws(() => file.readSync(new Uint8Array(1), 0), isFileError('io_failed', 'EBADF'))
      assert.throws(() => file.sizeSync(), isFileError('io_failed', 'EBADF'))
    })

    it('refuses to write through a handle for reading', async () => {
      const { file, files } = await newFile(openPlace)
      const reader = await files.open(file.path, 'read')
      assert.throws(() => reader.writeSync(pattern(1, 1), 0), isFileError('io_failed', 'EBADF'))
      await reader.close()
    })
  })

  describe(`${name} files: names`, () => {
    it('creates only what does not exist, and opens only what does', async () => {
      const { file, files, directory } = await newFile(openPlace)
      await assert.rejects(files.open(file.path, 'create'), isFileError('already_exists', 'EEXIST'))
      await assert.rejects(files.open(`${directory}/none`, 'read'), isFileError('not_found', 'ENOENT'))
      await assert.rejects(files.open(`${directory}/none`, 'readWrite'), isFileError('not_found', 'ENOENT'))
      await assert.rejects(files.open(`${directory}/none/file`, 'create'), isFileError('not_found', 'ENOENT'))
    })

    it('lists names in order, and knows sizes', async () => {
      const { files, directory } = await openPlace()
      for (const name of ['b', 'a10', 'a2', 'B']) await (await files.open(`${directory}/${name}`, 'create')).close()
      const file = await files.open(`${directory}/a2`, 'readWrite')
      await file.write(pattern(77, 1), 0)
      await file.close()
      await files.makeDirectory(`${directory}/below`)
      assert.deepEqual(await files.list(directory), ['B', 'a10', 'a2', 'b', 'below'])
      assert.equal(await files.size(`${directory}/a2`), 77)
      assert.equal(await files.size(`${directory}/none`), undefined)
      assert.equal(await files.size(`${directory}/none/none`), undefined)
      assert.equal(await files.size(`${directory}/below`), undefined)
      await assert.rejects(files.list(`${directory}/none`), isFileError('not_found', 'ENOENT'))
    })

    it('makes directories with their parents, again and again', async () => {
      const { files, directory } = await openPlace()
      await files.makeDirectory(`${directory}/x/y/z`)
      await files.makeDirectory(`${directory}/x/y/z`)
      await files.makeDirectory(`${directory}/x/y/`)
      assert.deepEqual(await files.list(`${directory}/x/y`), ['z'])
      await (await files.open(`${directory}/file`, 'create')).close()
      await assert.rejects(files.makeDirectory(`${directory}/file`), isFileError('already_exists', 'EEXIST'))
    })

    it('renames over what is there, and keeps open handles', async () => {
      const { files, directory } = await openPlace()
      const one = await files.open(`${directory}/one`, 'create')
      const two = await files.open(`${directory}/two`, 'create')
      await one.write(pattern(5, 1), 0)
      await two.write(pattern(9, 2), 0)
      await files.rename(one.path, two.path)
      assert.deepEqual(await files.list(directory), ['two'])
      assert.equal(await files.size(`${directory}/two`), 5)
      assert.equal(two.sizeSync(), 9)
      await one.write(pattern(6, 1), 0)
      assert.equal(await files.size(`${directory}/two`), 6)
      await assert.rejects(files.rename(`${directory}/none`, `${directory}/x`), isFileError('not_found', 'ENOENT'))
      await one.close()
      await two.close()
    })

    it('renames between directories', async () => {
      const { file, files, directory } = await newFile(openPlace)
      await files.makeDirectory(`${directory}/x`)
      await files.rename(file.path, `${directory}/x/moved`)
      assert.deepEqual(await files.list(directory), ['x'])
      assert.deepEqual(await files.list(`${directory}/x`), ['moved'])
    })

    it('removes files and trees, and minds nothing that is gone already', async () => {
      const { file, files, directory } = await newFile(openPlace)
      await files.remove(file.path)
      await files.remove(file.path)
      file.writeSync(pattern(3, 1), 0) // a removed file lives until it is closed
      assert.equal(file.sizeSync(), 3)
      await files.makeDirectory(`${directory}/x/y`)
      await (await files.open(`${directory}/x/y/f`, 'create')).close()
      await files.removeTree(`${directory}/x`)
      await files.removeTree(`${directory}/x`)
      assert.deepEqual(await files.list(directory), [])
    })

    it('does not remove a directory as if it were a file', async () => {
      const { files, directory } = await openPlace()
      await files.makeDirectory(`${directory}/x`)
      await assert.rejects(files.remove(`${directory}/x`), FileError)
      assert.deepEqual(await files.list(directory), ['x'])
    })

    it('syncs directories, and only those that exist', async () => {
      const { files, directory } = await openPlace()
      await files.syncDirectory(directory)
      await assert.rejects(files.syncDirectory(`${directory}/none`), isFileError('not_found', 'ENOENT'))
    })

    it('knows free space', async () => {
      const { files, directory } = await openPlace()
      assert.ok((await files.freeBytes(directory)) > 0)
    })
  })

  describe(`${name} files: the lock of a directory`, () => {
    it('has one holder, named to whoever comes second, until it is released', async () => {
      const { files, directory } = await openPlace()
      const lock = await files.lock(directory)
      assert.ok((await files.list(directory)).includes('LOCK'))
      await assert.rejects(files.lock(directory), error => {
        assert.ok(error instanceof FileError)
        assert.equal(error.code, 'directory_locked')
        assert.deepEqual(error.holder, lock.holder)
        return true
      })
      await lock.release()
      await lock.release()
      assert.deepEqual(await files.list(directory), [])
      const next = await files.lock(directory)
      assert.notEqual(next.holder.nonce, lock.holder.nonce)
      await next.release()
    })

    it('needs the directory to exist', async () => {
      const { files, directory } = await openPlace()
      await assert.rejects(files.lock(`${directory}/none`), isFileError('not_found', undefined))
    })
  })
}

async function newFile(openPlace: () => Promise<Place>): Promise<Place & { file: File }> {
  const place = await openPlace()
  return { ...place, file: await place.files.open(`${place.directory}/file`, 'create') }
}

/** Bytes that differ from place to place, so that a shifted copy is noticed. */
function pattern(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => ((at * 31 + salt * 97) % 255) + 1)
}

function isFileError(code: FileError['code'], systemCode: string | undefined): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof FileError, String(error))
    assert.equal(error.code, code)
    if (systemCode !== undefined) assert.equal(error.systemCode, systemCode)
    return true
  }
}
