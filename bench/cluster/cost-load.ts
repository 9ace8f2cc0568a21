// The load of cost.ts, in a process of its own: `node cost-load.js DIST URL`, driven by messages.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { connect as Connect } from '../../src/entry/client.ts'
import { measureReads, measureWrites } from './load.ts'

/** What it is told to do. */
export interface LoadOrder {
  kind: 'write' | 'read'
  clients: number
  seconds: number
}

const [dist, url] = process.argv.slice(2)
const module = (await import(pathToFileURL(resolve(dist!, 'src/entry/client.js')).href)) as { connect: typeof Connect }
const db = await module.connect(url!)
await db.ddl({ type: 'createProject', project: 'bench', ifNotExists: true })

process.on('message', ({ kind, clients, seconds }: LoadOrder) => {
  const measure = kind === 'write' ? measureWrites : measureReads
  measure(db, clients, seconds).then(
    figures => process.send!(figures),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit(0))
process.send!('ready')
