import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { systemCaller } from '../../core/records/actor.ts'
import type { Answer, EnrolledAgent } from '../support/server.ts'
import { runWorld } from './run-world.ts'
import { addContainer, records, rowsOf, startWorld, testClock, type World } from './world.ts'

type Body = Record<string, unknown>
type Clock = ReturnType<typeof testClock>

/** A host of the first owner's, with all that its owner, its agent and the server do about restarts. */
export type RebootHost = Awaited<ReturnType<typeof addHost>>

/** A world whose time stands, and its first owner's token at any time of it. */
export async function startRebootWorld(): Promise<{ world: World; time: Clock }> {
  const time = testClock()
  return { world: await startWorld({ clock: time.clock }), time }
}

export async function addHost({ world, time }: { world: World; time: Clock }) {
  const { server, a } = world
  const { app } = server.server
  const seed = runWorld(server, a.agent)
  const owner = () => seed.userToken(a.id)
  const agent: EnrolledAgent = await server.agent(await owner(), {
    hostname: `host-${randomUUID().slice(0, 8)}`,
    boot_id: 'boot-1',
  })
  const run = runWorld(server, agent)
  const call = <T = Body>(method: string, path: string, token: string | undefined, body?: unknown) =>
    server.call<T>(method, path, { token, body })
  const one = async (table: string, id: string): Promise<Body> => {
    const [row] = await app.database.run<Body>(`select * from "${table}" where "id" = $1`, [id])
    return row ?? {}
  }

  return {
    server,
    app,
    time,
    run,
    agent,
    owner,
    call,
    container: () => addContainer(server, a.id, agent.id),

    ask: async (body: Body = {}, token?: string): Promise<Answer> =>
      call('POST', '/api/reboot', token ?? (await owner()), { agent_id: agent.id, ...body }),
    /** The id of a reboot that must be had. */
    async reboot(body: Body = {}): Promise<string> {
      const answer = await this.ask(body)
      expect(answer.status, JSON.stringify(answer.body)).toBe(200)
      return String(answer.body.reboot_id)
    },
    patch: async (body: Body = {}): Promise<Answer> =>
      call('POST', '/api/patches', await owner(), { agent_id: agent.id, mode: 'apply', ...body }),
    async operation(body: Body = {}): Promise<string> {
      const answer = await this.patch(body)
      expect(answer.status, JSON.stringify(answer.body)).toBe(201)
      return String(answer.body.id)
    },
    acknowledge: async (id: string, body?: Body): Promise<Answer> =>
      call('POST', `/api/reboot/${id}/acknowledge`, await run.agentToken(), body),
    fail: async (id: string, body?: Body): Promise<Answer> =>
      call('POST', `/api/reboot/${id}/fail`, await run.agentToken(), body),
    set: async (id: string, body: Body, token?: string): Promise<Answer> =>
      call('PATCH', records('reboot_operations', id), token ?? (await run.agentToken()), body),
    claim: async (id: string): Promise<Answer> =>
      call('PATCH', records('patch_operations', id), await run.agentToken(), {
        status: 'running',
        claim: 'claim-one',
      }),
    async beat(facts: Body = {}): Promise<void> {
      const body = { action: 'ingest-metrics', system_metrics: {}, ...facts }
      expect((await call('POST', '/api/agent', await run.agentToken(), body)).status).toBe(200)
    },
    stored: (id: string) => one('reboot_operations', id),
    row: one,
    host: () => one('agents', agent.id),
    locks: async () =>
      (await rowsOf(server, ['operation_locks'])).filter((row) => row.includes(agent.id)).length,
    /** As discovery would find it. */
    async discover(container: string, found: { uptime: number; status?: string }): Promise<void> {
      await app.database.run(
        'update "proxmox_lxc" set "uptime" = $1, "status" = $2, "recorded_at" = $3 where "id" = $4',
        [found.uptime, found.status ?? 'running', time.clock().toISOString().replace('T', ' '), container],
      )
    },
    /** The server's own act, as its jobs do it. */
    make: (act: string, body: Body) =>
      app.records.create('reboot_operations', { body }, { ...systemCaller, act }),
  }
}

/** A reboot that has ended has left nothing behind. */
export async function expectEnded(host: RebootHost, id: string, status: string): Promise<Body> {
  const stored = await host.stored(id)
  expect(stored).toMatchObject({ status, completed_at: expect.stringMatching(/^2/) })
  expect((await host.host()).pending_reboot_id).toBe('')
  if (stored.lxc_id)
    expect((await host.row('proxmox_lxc', String(stored.lxc_id))).pending_reboot_id ?? '').toBe('')
  expect(await host.locks()).toBe(0)
  return stored
}
