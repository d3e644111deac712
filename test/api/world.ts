import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { systemCaller } from '../../core/records/actor.ts'
import { type EnrolledAgent, startTestServer, type TestServer } from '../support/server.ts'

type Account = { id: string; token: string }

/** Two owners with a host each, a superuser, and a container on the first host. */
export type World = {
  server: TestServer
  a: Account & { agent: EnrolledAgent; container: string }
  b: Account & { agent: EnrolledAgent; container: string }
  root: Account
}

export async function startWorld(options: Parameters<typeof startTestServer>[0] = {}): Promise<World> {
  const server = await startTestServer(options)
  const owner = async (email: string, hostname: string) => {
    const user = await server.user(email)
    const agent = await server.agent(user.token, { hostname })
    return { ...user, agent, container: await addContainer(server, user.id, agent.id) }
  }
  const a = await owner('a@example.com', 'host-a')
  const b = await owner('b@example.com', 'host-b')
  return { server, a, b, root: await server.superuser() }
}

let vmid = 100

/** As discovery would have found it. */
export async function addContainer(server: TestServer, user: string, agent: string): Promise<string> {
  const id = `lxc${randomUUID().replaceAll('-', '').slice(0, 12)}`
  await server.server.app.database.run(
    `insert into "proxmox_lxc" ("id", "created", "updated", "user_id", "agent_id", "name", "vmid", "platform_family", "status")
     values ($1, $2, $2, $3, $4, 'ct', $5, 'debian', 'running')`,
    [id, '2026-01-01 00:00:00.000Z', user, agent, ++vmid],
  )
  return id
}

export const records = (collection: string, id = ''): string =>
  `/api/collections/${collection}/records${id && `/${id}`}`

/** Every row of these tables as text, to be compared with itself later. */
export async function rowsOf(server: TestServer, tables: readonly string[]): Promise<string[]> {
  const all: string[] = []
  for (const table of tables) {
    const rows = await server.server.app.database.run<{ row: string }>(
      `select to_json(row)::text as row from "${table}" as row order by "id"`,
    )
    all.push(...rows.map(({ row }) => `${table} ${row}`))
  }
  return all
}

/** A pending operation, made by the server itself so that no limit or rule of callers is in the way. */
export async function addOperation(
  server: TestServer,
  agent: string,
  body: Record<string, unknown> = {},
): Promise<string> {
  const input = { body: { agent_id: agent, mode: 'apply', ...body } }
  return (await server.server.app.records.create('patch_operations', input, systemCaller)).id
}

/** A time that stands until it is moved. */
export function testClock(start = '2026-03-01T10:00:00.000Z') {
  let now = new Date(start).getTime()
  return {
    clock: () => new Date(now),
    forward(seconds: number) {
      now += seconds * 1000
    },
  }
}

/** Asks again until it holds; for what happens on its own time, such as a file that goes away. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 5000): Promise<void> {
  for (const end = Date.now() + ms; !(await holds()); await wait(10))
    if (Date.now() > end) throw new Error(`Not within ${ms} ms: ${what}.`)
}
