import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ExitCode } from '../../src/cli/exit-codes.ts'
import { hexToBytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import { openLog, readIdentity } from '../../src/log/index.ts'
import type { DataCheck } from '../../src/node/index.ts'
import type { Files, Platform } from '../../src/platform/index.ts'
import { ENGINE_OPTIONS, EngineMachine } from '../node/engine-machine.ts'
import { runOn } from './run.ts'
import type { Ran } from './run.ts'

const SEGMENT = '/data/log/segment-0000000001'

/** Runs `quorate check data /data --output json` on these files. */
async function check(files: Files): Promise<Ran & { found: DataCheck }> {
  const ran = await runOn(files, 'check', 'data', '/data', '--output', 'json')
  return { ...ran, found: JSON.parse(ran.text) as DataCheck }
}

/** An engine that was killed right after a write: its last frame is not proved by anything behind it. */
async function killed(): Promise<EngineMachine> {
  const machine = new EngineMachine(1)
  const process = machine.machine.start()
  await machine.run(
    openEngine('/data', ENGINE_OPTIONS, process).then(async engine => {
      await engine.ddl({ type: 'createProject', project: 'p' })
      await engine.kv('p').set('key', new Uint8Array(3000).fill(7))
    }),
  )
  machine.machine.disk.crash('process')
  return machine
}

async function lastFrame(machine: EngineMachine, process: Platform): Promise<{ offset: number; length: number }> {
  const { found } = (await machine.run(check(process.files)))!
  return found.regions.findLast(({ kind }) => kind === 'frame')!
}

describe('quorate check data', () => {
  it('calls an undecidable end of the log suspect: no damage, with an exit code of its own, and the engine opens', async () => {
    const machine = await killed()
    const process = machine.machine.start()
    const sound = (await machine.run(check(process.files)))!
    assert.deepEqual([sound.code, sound.found.verdict], [ExitCode.fine, 'clean'])
    const { offset } = await lastFrame(machine, process)
    machine.machine.disk.flipBit(SEGMENT, offset + 300, 2)
    const { code, found, error } = (await machine.run(check(process.files)))!
    assert.deepEqual([code, found.verdict, found.damage], [5, 'suspect', []])
    assert.match(error, /^suspect: /)
    assert.deepEqual(
      found.regions.filter(({ state }) => state === 'suspect').map(({ file, offset }) => ({ file, offset })),
      [{ file: SEGMENT, offset }],
    )
    await machine.run(openEngine('/data', ENGINE_OPTIONS, process).then(engine => engine.close()))
    const after = (await machine.run(check(process.files)))!
    assert.deepEqual([after.code, after.found.verdict], [ExitCode.fine, 'clean'])
    const kept = after.found.regions.filter(({ kind }) => kind === 'kept_aside')
    assert.deepEqual(
      kept.map(({ file, state }) => ({ file, state })),
      [{ file: '/data/log/suspect-1.resolved', state: 'resolved' }],
    )
  })

  it('calls a log suspect as long as what was kept aside is not resolved', async () => {
    const machine = await killed()
    const process = machine.machine.start()
    const { offset } = await lastFrame(machine, process)
    machine.machine.disk.flipBit(SEGMENT, offset + 300, 2)
    const { files, threads } = process
    const identity = (await machine.run(readIdentity(files, '/data')))!
    const options = {
      files,
      threads,
      directory: '/data',
      directoryId: hexToBytes(identity.directoryId),
      groupId: 1,
      lane: 'inline' as const,
    }
    await machine.run(openLog(options).then(({ log }) => log.setSuspectAside().then(() => log.close())))
    const { code, found } = (await machine.run(check(files)))!
    assert.deepEqual([code, found.verdict, found.damage], [5, 'suspect', []])
    assert.ok(found.regions.some(({ file, state }) => file === '/data/log/suspect-1' && state === 'suspect'))
  })

  it('calls damage what was proved to be acknowledged: exit code 4, file and offset', async () => {
    const machine = await killed()
    const process = machine.machine.start()
    const { found: before } = (await machine.run(check(process.files)))!
    const frames = before.regions.filter(({ kind }) => kind === 'frame')
    const { offset } = frames[1]!
    machine.machine.disk.flipBit(SEGMENT, offset + 180, 2)
    const { code, found, error } = (await machine.run(check(process.files)))!
    assert.deepEqual([code, found.verdict], [4, 'damaged'])
    assert.ok(found.damage.some(region => region.file === SEGMENT && region.offset === offset))
    assert.match(error, new RegExp(`${SEGMENT} at ${offset}`))
  })
})
