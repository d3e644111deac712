import { z } from 'zod'
import { SimulatorError } from './errors.ts'

const EMAIL = 'simulator@example.com'
const PAGE = 1000
const SignedIn = z.object({ token: z.string() })
const Created = z.object({ id: z.string() })
const Batch = z.array(z.object({ status: z.number(), body: Created }))

const Recorded = z.object({
  id: z.string(),
  agent_id: z.string(),
  status: z.string(),
  outcome: z.string().default(''),
  exit_code: z.number().nullish(),
})
/** An operation as the server has it. */
export type Recorded = z.infer<typeof Recorded>

export type Owner = {
  readonly token: string
  /** A new enrolment token that works `uses` times. */
  enrolmentToken(name: string, uses: number): Promise<{ id: string; token: string }>
  /** Orders one operation from each agent. `batch` > 1: so many in one request. Resolves with their ids. */
  order(agents: readonly string[], mode: string, batch: number): Promise<string[]>
  /** Gives each agent a schedule: `cron`, in UTC. `batch` as for orders. */
  schedule(agents: readonly string[], mode: string, cron: string, batch: number): Promise<string[]>
  /** Whether the server takes several requests in one. */
  hasBatch(): Promise<boolean>
  /** All operations since a moment of the server's clock, oldest first. */
  operations(since: string): Promise<Recorded[]>
  remove(collection: string, id: string): Promise<void>
  serverTime(): Promise<string>
}

/** What the owner of the fleet does over HTTP. Every answer but a good one is a SimulatorError with its sentence. */
export function openOwner(url: string, token: string): Owner {
  const call = async <T>(schema: z.ZodType<T>, method: string, path: string, body?: object): Promise<T> => {
    const response = await request(url, method, path, token, body)
    const text = await response.text()
    if (!response.ok)
      throw new SimulatorError(`${method} ${path} was answered with ${response.status}: ${text}`)
    return schema.parse(text === '' ? undefined : JSON.parse(text))
  }
  const create = async (collection: string, bodies: readonly object[], batch: number): Promise<string[]> => {
    const path = `/api/collections/${collection}/records`
    if (batch <= 1 || bodies.length === 1)
      return Promise.all(bodies.map(async (body) => (await call(Created, 'POST', path, body)).id))
    const requests = bodies.map((body) => ({ method: 'POST', url: path, body }))
    try {
      return (await call(Batch, 'POST', '/api/batch', { requests })).map(({ body }) => body.id)
    } catch (error) {
      // All of it or nothing is done: a server that is too busy to end a batch in time is asked for less.
      if (!(error instanceof SimulatorError) || !error.message.includes('took longer')) throw error
      const half = Math.ceil(bodies.length / 2)
      return [
        ...(await create(collection, bodies.slice(0, half), half)),
        ...(await create(collection, bodies.slice(half), half)),
      ]
    }
  }
  return {
    token,
    async enrolmentToken(name, uses) {
      const body = { name, max_uses: uses }
      const made = z.object({ id: z.string(), token: z.string() })
      return call(made, 'POST', '/api/collections/enrolment_tokens/records', body)
    },
    order: (agents, mode, batch) =>
      create(
        'patch_operations',
        agents.map((agent_id) => ({ agent_id, mode })),
        batch,
      ),
    schedule: (agents, mode, cron_expression, batch) =>
      create(
        'patch_schedules',
        agents.map((agent_id) => ({ agent_id, mode, cron_expression })),
        batch,
      ),
    async hasBatch() {
      const response = await request(url, 'POST', '/api/batch', token, { requests: [] })
      await response.text()
      return response.status !== 404 && response.status !== 405 && response.status !== 403
    },
    async operations(since) {
      const found: Recorded[] = []
      const List = z.object({ items: z.array(Recorded) })
      for (let page = 1; ; page++) {
        const query = new URLSearchParams({
          ...{ filter: `created >= "${since}"`, sort: 'created,id', skipTotal: '1' },
          ...{ page: `${page}`, perPage: `${PAGE}`, fields: 'id,agent_id,status,outcome,exit_code' },
        })
        const { items } = await call(List, 'GET', `/api/collections/patch_operations/records?${query}`)
        found.push(...items)
        if (items.length < PAGE) return found
      }
    },
    async remove(collection, id) {
      await call(z.unknown(), 'DELETE', `/api/collections/${collection}/records/${id}`)
    },
    async serverTime() {
      const response = await request(url, 'GET', '/api/health', '')
      await response.text()
      return new Date(response.headers.get('date') ?? Date.now()).toISOString().replace('T', ' ')
    },
  }
}

async function request(
  url: string,
  method: string,
  path: string,
  token: string,
  body?: object,
): Promise<Response> {
  try {
    return await fetch(url + path, {
      method,
      headers: { 'content-type': 'application/json', ...(token && { authorization: token }) },
      body: body && JSON.stringify(body),
    })
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : error
    throw new SimulatorError(`${method} ${url}${path} got no answer: ${reason}`)
  }
}

/** A token for a user, by e-mail and password. */
export async function signIn(url: string, identity: string, password: string): Promise<string> {
  const path = '/api/collections/users/auth-with-password'
  const response = await request(url, 'POST', path, '', { identity, password })
  const text = await response.text()
  if (!response.ok)
    throw new SimulatorError(`Signing in as ${identity} was answered with ${response.status}: ${text}`)
  return SignedIn.parse(JSON.parse(text)).token
}

/** Makes the first account of a new server through the link it has printed. Returns the user's token. */
export async function firstAccount(url: string, setupUrl: string, password: string): Promise<string> {
  const token = URL.parse(setupUrl)?.searchParams.get('token')
  if (!token) throw new SimulatorError('The server has printed no setup link.')
  const body = new URLSearchParams({ token, email: EMAIL, password, passwordConfirm: password })
  const response = await fetch(`${url}/setup`, { method: 'POST', body })
  const page = await response.text()
  if (!response.ok) throw new SimulatorError(`The setup page answered with ${response.status}: ${page}`)
  return signIn(url, EMAIL, password)
}
