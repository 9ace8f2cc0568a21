import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { FileError } from '../../src/platform/index.ts'
import type { File, Files } from '../../src/platform/index.ts'
import { nodeFiles } from '../../src/platform/node/index.ts'
import { SeededRandom, SimulatedDisk } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const root = await mkdtemp(join(tmpdir(), 'quorate-agree-'))

after(async () => {
  await rm(root, { recursive: true, force: true })
})

/** One file system under the same random calls as the other: its directory and its open files. */
interface Subject {
  files: Files
  directory: string
  open: File[]
}

/** One random call, drawn before it is made, so that both file systems get the same. */
function drawCall(random: SeededRandom): (subject: Subject) => Promise<unknown> {
  const path = random.pick(['a', 'b', 'x/a', 'x/y/b', 'x', 'x/y', 'a/b'])
  const other = random.pick(['a', 'b', 'x/a', 'x/y/b', 'z'])
  const size = random.pick([0, 1, 511, 512, 513, 16_384, 70_000])
  const position = random.pick([0, 1, 500, 16_000, 100_000])
  const bytes = random.bytes(size)
  const chosen = random.below(8)
  const at = (subject: Subject, name: string): string => `${subject.directory}/${name}`
  const file = (subject: Subject): File | undefined => subject.open[chosen % Math.max(1, subject.open.length)]
  const mode = random.pick(['create', 'create', 'readWrite', 'read'] as const)
  const calls: ((subject: Subject) => Promise<unknown>)[] = [
    async subject => {
      subject.open.push(await subject.files.open(at(subject, path), mode))
    },
    async subject => {
      subject.open.push(subject.files.openSync(at(subject, path), mode))
    },
    async subject => file(subject)?.write(bytes, position),
    async subject => file(subject)?.writeSync(bytes, position),
    async subject => {
      const target = new Uint8Array(size)
      const count = await file(subject)?.read(target, position)
      return [count, Buffer.from(target.subarray(0, count)).toString('base64')]
    },
    async subject => file(subject)?.truncate(position),
    async subject => file(subject)?.sizeSync(),
    async subject => {
      await file(subject)?.close()
      if (subject.open.length > 0) subject.open.splice(chosen % subject.open.length, 1)
    },
    subject => subject.files.rename(at(subject, path), at(subject, other)),
    subject => subject.files.remove(at(subject, path)),
    subject => subject.files.size(at(subject, path)),
    subject => subject.files.list(at(subject, path)),
    subject => subject.files.makeDirectory(at(subject, path)),
    subject => subject.files.list(subject.directory),
  ]
  if (random.chance(0.02)) return subject => subject.files.removeTree(at(subject, path))
  return random.pick(calls)
}

async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return { gave: await call }
  } catch (error) {
    assert.ok(error instanceof FileError, String(error))
    return { failed: error.code } // the system's own word may differ (ENOENT, ENOTDIR)
  }
}

describe('the simulated and the real file system', () => {
  it('answer the same to the same random calls', async () => {
    for (let n = 0; n < 8; n++) {
      const random = new SeededRandom(seed + n).split('calls')
      const real: Subject = { files: nodeFiles(), directory: `${root}/${n}`, open: [] }
      const simulated: Subject = { files: new SimulatedDisk({ seed }).files(), directory: '/d', open: [] }
      for (const subject of [real, simulated]) await subject.files.makeDirectory(subject.directory)
      for (let step = 0; step < 300; step++) {
        const call = drawCall(random)
        const [expected, actual] = [await outcome(call(real)), await outcome(call(simulated))]
        assert.deepEqual(actual, expected, `run ${n}, step ${step}, seed ${seed}: ${call.toString()}`)
      }
      for (const file of real.open) await file.close()
    }
  })
})
