import { startLogWriter } from '../log/index.ts'
import { runThread } from '../platform/node/index.ts'

/** The module of the log's thread: bound to `LOG_WRITER_JOB` by the composition root. */
await runThread(startLogWriter)
