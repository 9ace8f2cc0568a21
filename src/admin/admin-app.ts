/** What the listener knows of a request beyond its form. */
export interface AdminPeer {
  isLoopback: boolean
  /** Where it comes from, without the port. */
  address?: string
}

/** Serve it with `httpListener` of transport/http. */
export interface AdminApp {
  fetch(request: Request, peer: AdminPeer): Response | Promise<Response>
  /** Watches nothing any more. */
  close(): void
}
