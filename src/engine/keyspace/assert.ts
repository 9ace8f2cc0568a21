/** A broken invariant of the keyspace: fatal to the replica, never caught inside it. */
export class KeyspaceInvariantError extends Error {
  override readonly name = 'KeyspaceInvariantError'
}

/** Asserts stay on in production. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new KeyspaceInvariantError(message)
}

/** For hot paths, where the message of an invariant that holds would be made for nothing: call it when the invariant is broken. */
export function broken(message: string): never {
  throw new KeyspaceInvariantError(message)
}
