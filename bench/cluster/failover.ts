import { connect } from '../../src/entry/client.ts'
import { atMost, median } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'
import { measureGap } from './load.ts'
import { startThreeNodes } from './three-nodes.ts'

const SECTION = 'failover'
const TRIALS = Number(process.env['QUORATE_BENCH_TRIALS'] ?? 20)
const WRITERS = 8
const SETTLE_MS = 1_500

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

/** kill -9 of the leader and planned transfers under writers that never stop: the longest gap between acknowledged writes. */
export async function run(): Promise<Row[]> {
  const nodes = await startThreeNodes()
  const failures: string[] = []
  const gapDuring = async (db: Parameters<typeof measureGap>[0], event: () => Promise<void>): Promise<number> => {
    const result = await measureGap(db, WRITERS, async () => {
      await pause(300)
      await event()
      await pause(SETTLE_MS)
    })
    failures.push(...result.failures)
    return result.gapMs
  }
  try {
    await using db = await connect(nodes.url)
    await db.ddl({ type: 'createProject', project: 'bench', ifNotExists: true })
    const kills: number[] = []
    const transfers: number[] = []
    for (let trial = 0; trial < TRIALS; trial++) {
      const leader = await nodes.leader()
      kills.push(
        await gapDuring(db, async () => {
          await nodes.kill(leader)
          await nodes.leader()
        }),
      )
      nodes.start(leader)
      await nodes.ready(leader)
      await pause(SETTLE_MS)
    }
    for (let trial = 0; trial < TRIALS; trial++) {
      const leader = await nodes.leader()
      transfers.push(await gapDuring(db, () => nodes.transfer(leader)))
    }
    return [
      atMost(SECTION, `kill -9 of the leader, gap p50 of ${TRIALS}`, median(kills), 500, 'ms'),
      atMost(SECTION, 'kill -9 of the leader, worst gap', Math.max(...kills), 1_000, 'ms'),
      atMost(SECTION, `planned transfer, gap p50 of ${TRIALS}`, median(transfers), 50, 'ms'),
      atMost(SECTION, 'planned transfer, worst gap', Math.max(...transfers), 50, 'ms'),
      atMost(SECTION, 'failed calls', failures.length, 0, 'calls'),
    ]
  } finally {
    await nodes.close()
  }
}
