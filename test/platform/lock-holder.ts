/** A child process for the lock tests: takes the lock of argv[2], says which, and holds it until killed or told to release. */
import { FileError } from '../../src/platform/index.ts'
import { nodeFiles } from '../../src/platform/node/index.ts'

const directory = process.argv[2] as string
try {
  const lock = await nodeFiles().lock(directory)
  process.send?.({ held: lock.holder })
  process.on('message', message => {
    if (message !== 'release') return
    void lock.release().then(() => process.disconnect())
  })
} catch (error) {
  if (!(error instanceof FileError)) throw error
  process.send?.({ refused: error.code, holder: error.holder })
  process.disconnect()
}
