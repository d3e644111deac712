import { AgentError } from './errors.ts'

/** Checks what the operator wrote after --server and returns its origin, e.g. `https://patch.example.org`. */
export const serverOrigin = (text: string): string => {
  const url = URL.parse(text)
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new AgentError(`--server must be a URL such as https://patch.example.org, not "${text}".`)
  if (url.username || url.password)
    throw new AgentError('--server must not contain a user name or password; use --token-file for the token.')
  if (url.pathname !== '/' || url.search || url.hash)
    throw new AgentError(`--server must be an origin without a path: ${url.origin}.`)
  return url.origin
}

/**
 * The URL of a path the server named. Anything that would lead elsewhere is refused, so that a record cannot make
 * the agent send its token to another machine.
 */
export const urlOfPath = (origin: string, path: string): URL => {
  const url = path.startsWith('/') ? URL.parse(path, origin) : null
  if (!url || url.origin !== origin)
    throw new AgentError(`"${path}" is not a path on ${origin}; the agent asks no other server.`)
  return url
}

/** `fetch` for one origin. Redirects are an error: whoever answers with one is not who the agent enrolled with. */
export const originFetch =
  (origin: string) =>
  async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (url.origin !== origin) throw new AgentError(`Refused to send a request to ${url.origin}.`)
    const response = await fetch(url, { ...init, redirect: 'manual' })
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel()
      const target = URL.parse(response.headers.get('location') ?? '', url.href)?.origin ?? 'nowhere'
      throw new AgentError(
        `${url.origin} redirects to ${target}, which the agent does not follow; register it with the final address.`,
      )
    }
    return response
  }
