import { startLogWriter } from '../../src/log/index.ts'
import { runThread } from '../../src/platform/node/index.ts'

/** The worker module of the log's thread, as a composition root has one. */
await runThread(startLogWriter)
