import assert from 'node:assert/strict'
import { it } from 'node:test'
import { main } from '../../examples/remote/tickets.ts'
import { ProcessCluster } from '../cluster/processes.ts'

it(
  'the remote example sells each ticket once, though the leader dies while it does',
  { timeout: 240_000 },
  async () => {
    const cluster = await ProcessCluster.create()
    try {
      cluster.startAll()
      const leader = await cluster.leader()
      const lines: string[] = []
      let killed: Promise<unknown> | undefined
      await main(`ws://${cluster.endpoints}`, line => {
        lines.push(line)
        if (line === 'selling') killed = cluster.kill(leader)
      })
      await killed
      assert.deepEqual(lines, ['selling', '60 tickets were sold, 0 are left', 'the audience saw 60 sales'])
    } finally {
      await cluster.remove()
    }
  },
)
