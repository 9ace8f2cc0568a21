/** The picture of DESIGN section 3 as data: which rooms exist and which door each may open. */

const PRODUCT = ['encoding', 'model', 'sealing', 'log', 'engine', 'raft', 'transport', 'client', 'admin', 'node', 'cli']

/** Top-level rooms of src/, and what each may import besides itself and the ports of `platform`. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  platform: [],
  'platform/node': ['platform'],
  'platform/simulated': ['platform'],
  encoding: [],
  model: ['encoding'],
  sealing: ['model', 'encoding'],
  log: ['sealing', 'model', 'encoding'],
  engine: ['log', 'sealing', 'model', 'encoding'],
  raft: ['log', 'model', 'encoding'],
  // Pure: time, randomness, disk and network are inputs and effects, so not even a port is open to it.
  'raft/core': [],
  transport: ['model', 'encoding'],
  client: ['model', 'encoding'],
  admin: ['model', 'encoding'],
  node: ['admin', 'transport', 'raft', 'engine', 'log', 'sealing', 'model', 'encoding', 'platform/node'],
  cli: ['node', 'sealing', 'client', 'entry', 'model', 'encoding'],
  entry: [...PRODUCT, 'platform/node', 'platform/simulated'],
  testing: [...PRODUCT, 'platform/node', 'platform/simulated', 'entry'],
}

/** Rooms that may not even use the port types of `platform`. */
export const WITHOUT_PORTS: ReadonlySet<string> = new Set(['raft/core'])

/** The one file that may import `testing`: the package's entry file of that name. */
export const TESTING_ENTRY = 'src/entry/testing.ts'

/** Rooms inside rooms. Each has an index.ts of its own, the only file through which others may enter. */
export const NAMED_SUB_ROOMS: ReadonlySet<string> = new Set([
  'platform/node',
  'platform/simulated',
  ...[
    'access',
    'backup',
    'catalog',
    'conditions',
    'events',
    'keyspace',
    'kv',
    'outbox',
    'query',
    'rows',
    'sessions',
    'tables',
    'transaction',
  ].map(name => `engine/${name}`),
  'raft/core',
  'raft/snapshot-shipping',
  ...['gateway', 'http', 'peer', 'redis', 'security', 'websocket'].map(name => `transport/${name}`),
])

/** Rooms without an index.ts: nobody enters the command line, and of the entry files each is a door of the package. */
export const WITHOUT_DOOR: ReadonlySet<string> = new Set(['cli', 'entry'])

/** The room of the arrows that a source file belongs to, for example `raft/core`; undefined outside the known rooms. */
export function roomOf(path: string): string | undefined {
  const [source, top, sub] = path.split('/')
  if (source !== 'src' || top === undefined) return undefined
  const nested = `${top}/${sub}`
  if (nested in ARROWS) return nested
  return top in ARROWS && sub !== undefined ? top : undefined
}

/** The room without its sub-room: `src/engine/kv/space.ts` is in `engine`. */
export function topRoomOf(path: string): string {
  return path.split('/')[1] ?? ''
}

/** Whether a directory (relative to src/) is a room that others may enter: a top-level one, a named one, one of admin's. */
export function isNamedRoom(directory: string): boolean {
  const parts = directory.split('/')
  return parts.length === 1 || NAMED_SUB_ROOMS.has(directory) || (parts.length === 2 && parts[0] === 'admin')
}
