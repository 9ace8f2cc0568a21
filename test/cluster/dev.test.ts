import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { isPortFree } from '../../src/platform/node/index.ts'
import { plainEnvironment, PROGRAM, quorate } from './processes.ts'

const OFFSETS = [0, 1, 2, 10, 11, 12, 20, 21, 22]

/** A base port from which all ports of three nodes are free. */
async function freeBasePort(): Promise<number> {
  for (let base = 20_000 + (process.pid % 300) * 40; base < 60_000; base += 40) {
    const free = await Promise.all(OFFSETS.map(offset => isPortFree('127.0.0.1', base + offset)))
    if (!free.includes(false)) return base
  }
  throw new Error('no free ports')
}

describe('quorate dev', { timeout: 240_000 }, () => {
  let directory: string
  let basePort: number
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-dev-'))
    basePort = await freeBasePort()
  })
  after(() => rm(directory, { recursive: true, force: true }))

  it('runs three nodes, starts a killed one again, and ends them all on Ctrl-C', async () => {
    const args = [PROGRAM, 'dev', '--data', directory, '--base-port', String(basePort)]
    const child = spawn(process.execPath, args, { env: plainEnvironment() })
    let output = ''
    let onOutput: () => void = () => undefined
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString()
      onOutput()
    })
    const exit = new Promise<number | null>(resolve => child.on('close', resolve))
    const seen = (pattern: RegExp, from = 0): Promise<RegExpExecArray> =>
      new Promise((resolve, reject) => {
        onOutput = () => {
          const match = pattern.exec(output.slice(from))
          if (match !== null) resolve(match)
        }
        void exit.then(() => reject(new Error(`it ended: ${output}`)))
        onOutput()
      })
    const [, name, pid] = await seen(/(n\d) leader pid (\d+)\b/)
    const endpoints = `127.0.0.1:${basePort},${basePort + 1},${basePort + 2}`
    assert.equal((await quorate('project', 'create', 'p', '--endpoints', endpoints)).code, 0)
    assert.match(output, new RegExp(`try .npx quorate status --endpoints ${endpoints}.`))
    const configuration = await readFile(join(directory, 'n0/config.yaml'), 'utf8')
    const second = await quorate('dev', '--data', directory, '--base-port', String(await freeBasePort()))
    assert.deepEqual([second.code, /directory_locked/.test(second.errors)], [1, true], second.errors)
    assert.equal(
      await readFile(join(directory, 'n0/config.yaml'), 'utf8'),
      configuration,
      'the one that runs keeps its own',
    )
    const from = output.length
    process.kill(Number(pid), 'SIGKILL')
    await seen(new RegExp(`${name} was ended by SIGKILL; it is started again`), from)
    await seen(new RegExp(`${name} follower pid (?!${pid}\\b)\\d+`), from)
    child.kill('SIGINT')
    assert.equal(await exit, 0)
    assert.equal(await isPortFree('127.0.0.1', basePort), true)
  })

  it('names a port that is taken', async () => {
    const port = basePort + 11
    const server = createServer()
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    try {
      const { code, errors } = await quorate('dev', '--data', directory, '--base-port', String(basePort))
      assert.equal(code, 3)
      assert.match(errors, new RegExp(`port ${port} \\(peer port of n1\\) is taken`))
    } finally {
      await new Promise(resolve => server.close(resolve))
    }
  })
})
