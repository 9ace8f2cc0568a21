/** A broken invariant of the keyspace: fatal to the replica, never caught inside it. */
export class KeyspaceInvariantError extends Error {
  override readonly name = 'KeyspaceInvariantError'
}

/** Asserts stay on in production. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new KeyspaceInvariantError(message)
}
