/** A running server with the same world in it: a user, a machine of his, and `package_exceptions`. */
export type Contestant = {
  name: string
  version: string
  /** The process whose tree does the server's work. */
  pid: number
  port: number
  /** The user's. */
  token: string
  agentId: string
  /** A record as this server wants to be asked for it; not an active one, of which a machine has few. */
  exception(packageName: string, reason?: string): Record<string, unknown>
}

/** The user both servers have. */
export const EMAIL = 'bench@example.com'
export const PASSWORD = 'correct horse'
export const REASON = 'tuned by hand'

export const HOST = '127.0.0.1'
export const RECORDS = '/api/collections/package_exceptions/records'

/** One JSON request outside of any measurement. Anything but success is an error that names the request. */
export async function call<T = Record<string, unknown>>(
  port: number,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: unknown } = {},
): Promise<T> {
  const response = await fetch(`http://${HOST}:${port}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: token }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text}`)
  return (text === '' ? {} : JSON.parse(text)) as T
}

/** Signs in by e-mail and password. */
export const signIn = (port: number, collection: string, identity: string, password: string) =>
  call<{ token: string; record: { id: string } }>(
    port,
    'POST',
    `/api/collections/${collection}/auth-with-password`,
    { body: { identity, password } },
  )
