/** What a request's headers say of the page that sent it; null = absent. */
export interface PageHeaders {
  host: string | null
  origin: string | null
  /** Sec-Fetch-Site */
  fetchSite: string | null
}

/**
 * Whether a browser sent this in the name of a page that this node did not serve. Every page may send requests to any address, so
 * what is granted by address alone must be refused to such pages; also to those that a foreign name, made to resolve to this
 * machine, has served (then `host` is that name). Programs that are no browsers send neither header.
 */
export function isOtherPage({ host, origin, fetchSite }: PageHeaders, isLoopback: boolean): boolean {
  if (fetchSite !== null && fetchSite !== 'same-origin' && fetchSite !== 'none') return true
  if (origin !== null && hostOf(origin) !== (host ?? undefined)) return true
  return isLoopback && host !== null && !isLoopbackName(nameOf(host))
}

function hostOf(origin: string): string | undefined {
  return /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]
}

/** The host without its port. Browsers write hosts in lower case. */
function nameOf(host: string): string {
  return host.replace(/:\d+$/, '')
}

function isLoopbackName(name: string): boolean {
  return /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3})$/i.test(name)
}
