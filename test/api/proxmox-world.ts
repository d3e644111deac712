import { expect } from 'vitest'
import { startTestServer } from '../support/server.ts'
import { testClock } from './world.ts'

type Body = Record<string, unknown>
export type Host = { id: string; node: string }
export type Guest = { vmid: number; status?: string } & Body

/** Owners whose hosts are nodes of Proxmox, told of as their agents would. The time stands until it is moved. */
export async function startProxmox() {
  const time = testClock()
  const server = await startTestServer({ clock: time.clock })
  const { app } = server.server

  const tokenOf = async (collection: string, id: string) => {
    const [record] = await app.database.run<Body & { id: string }>(
      `select * from "${collection}" where "id" = $1`,
      [id],
    )
    if (!record) throw new Error(`There is no ${collection} ${id}.`)
    const table = app.registry.need(collection)
    return app.tokens.issue(table, { created: '', updated: '', ...record }, 'auth', 3600)
  }
  const asAgent = async ({ id }: { id: string }, method: string, path: string, body?: unknown) =>
    server.call(method, path, { token: await tokenOf('agents', id), body })
  const asUser = async (id: string, method: string, path: string, body?: unknown) =>
    server.call(method, path, { token: await tokenOf('users', id), body })

  const report = async (host: { id: string }, kind: string, body: unknown) => {
    const answer = await asAgent(host, 'POST', `/api/proxmox/${kind}`, body)
    expect(answer.status, JSON.stringify(answer.body)).toBe(200)
    return answer.body
  }

  return {
    server,
    app,
    time,
    asAgent,
    asUser,
    report,

    async owner(email: string) {
      return (await server.user(email)).id
    },

    async host(owner: string, node: string): Promise<Host> {
      const { id } = await server.agent(await tokenOf('users', owner), { hostname: node })
      return { id, node }
    },

    /** All that the node says of itself and its cluster; `px` '' is a node in no cluster. */
    async node(host: Host, px: string, facts: Body = {}, cluster: Body = {}) {
      if (px) await report(host, 'cluster', { name: px, px_cluster_id: px, nodes: 3, quorate: 1, ...cluster })
      await report(host, 'node', {
        ...{ name: host.node, local: 1, online: 1, ip: '10.0.0.1', boot_id: `${host.node}-boot-1` },
        ...{ px_cluster_id: px, ...facts },
      })
    },

    /** Everything that a node has of a kind. */
    guests: (host: Host, px: string, guests: readonly Guest[], kind = 'lxc') =>
      report(host, kind, {
        ...{ node: host.node, px_cluster_id: px, complete: true },
        items: guests.map((guest) => ({
          ...{ node: host.node, name: `guest-${guest.vmid}`, status: 'running', ostype: 'debian' },
          ...{ uptime: 1000, ...guest },
        })),
      }),

    rows: (table: string, condition = 'true', parameters: unknown[] = []) =>
      app.database.run<Body & { id: string }>(
        `select * from "${table}" where ${condition} order by "_seq"`,
        parameters,
      ),

    async row(table: string, condition: string, ...parameters: unknown[]) {
      const rows = await app.database.run<Body & { id: string }>(
        `select * from "${table}" where ${condition}`,
        parameters,
      )
      expect(rows, `${table} where ${condition} ${parameters}`).toHaveLength(1)
      return rows[0] as Body & { id: string }
    },

    /** How many rows of the change log and the audit log there are about a table. */
    async told(table: string) {
      const [row] = await app.database.run<{ n: number }>(
        `select (select count(*) from "_changes" where "collection" = $1)::int
           + (select count(*) from "audit_log" where "collection" = $1)::int as n`,
        [table],
      )
      return row?.n ?? 0
    },

    apply: (owner: string, body: Body) => asUser(owner, 'POST', '/api/patches', { mode: 'apply', ...body }),

    claim: (host: { id: string }, operation: unknown, name = 'claim-one') =>
      asAgent(host, 'PATCH', `/api/collections/patch_operations/records/${String(operation)}`, {
        ...{ status: 'running', claim: name },
      }),

    async finish(host: { id: string }, operation: unknown, name = 'claim-one') {
      const form = new FormData()
      for (const [key, value] of Object.entries({ claim: name, exit_code: '0' })) form.set(key, value)
      const answer = await fetch(`${server.url}/api/patches/${String(operation)}/result`, {
        method: 'POST',
        headers: { authorization: await tokenOf('agents', host.id) },
        body: form,
      })
      expect(answer.status).toBe(200)
    },

    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

export type ProxmoxWorld = Awaited<ReturnType<typeof startProxmox>>
