import { z } from 'zod'
import { StartError } from '../../core/errors.ts'
import { Operation } from './report.ts'

const SignedIn = z.object({ token: z.string() })
const Host = z.object({ id: z.string(), hostname: z.string(), os_info: z.string() })

export type DemoApi = {
  enrolmentToken(): Promise<string>
  agents(): Promise<z.infer<typeof Host>[]>
  requestDryRun(agent: string): Promise<Operation>
  operation(id: string): Promise<Operation>
}

/** What a user does over HTTP, signed in. Every answer but a good one is a StartError with the server's sentence. */
export async function demoApi(
  url: string,
  identity: string,
  password: string,
  signal: AbortSignal,
): Promise<DemoApi> {
  let token = ''
  const call = async <T>(schema: z.ZodType<T>, method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(url + path, {
      method,
      signal,
      headers: { 'content-type': 'application/json', ...(token && { authorization: token }) },
      body: body && JSON.stringify(body),
    })
    const text = await response.text()
    if (!response.ok) throw new StartError(`${method} ${path} was answered with ${response.status}: ${text}`)
    return schema.parse(JSON.parse(text))
  }
  const path = '/api/collections/users/auth-with-password'
  token = (await call(SignedIn, 'POST', path, { identity, password })).token
  return {
    async enrolmentToken() {
      const made = await call(SignedIn, 'POST', '/api/collections/enrolment_tokens/records', { name: 'demo' })
      return made.token
    },
    async agents() {
      return (await call(z.object({ agents: z.array(Host) }), 'POST', '/api/agent', { action: 'list' }))
        .agents
    },
    requestDryRun: (agent_id) => call(Operation, 'POST', '/api/patches', { agent_id, mode: 'dry-run' }),
    operation: (id) => call(Operation, 'GET', `/api/patches?id=${id}`),
  }
}
