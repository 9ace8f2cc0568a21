/** The token of an Authorization header, if it is a bearer's. */
export function bearerToken(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? /^Bearer +(\S+)$/i.exec(header)?.[1] : undefined
}
