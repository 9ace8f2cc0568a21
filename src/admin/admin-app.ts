/** What the listener knows of a request beyond its form. */
export interface AdminPeer {
  isLoopback: boolean
  /** Where it comes from, without the port. */
  address?: string
}

export interface AdminRoute {
  readonly method: string
  /** With `:name` where a name stands. */
  readonly path: string
}

/** Serve it with `httpListener` of transport/http. */
export interface AdminApp {
  fetch(request: Request, peer: AdminPeer): Response | Promise<Response>
  /** What it understands, in the order of its making. */
  readonly routes: readonly AdminRoute[]
  /** Watches nothing any more. */
  close(): void
}
