import { expect } from 'vitest'
import type { EnrolledAgent, TestServer } from '../support/server.ts'
import { records } from './world.ts'

type Body = Record<string, unknown>

/** What the owner of a host and its agent do with operations. Tokens are made anew: the test's clock outruns them. */
export function runWorld(server: TestServer, agent: EnrolledAgent) {
  const { app } = server.server
  const tokenOf = async (collection: string, id: string) => {
    const table = app.registry.need(collection)
    const [record] = await app.database.run<Body & { id: string }>(
      `select * from "${collection}" where "id" = $1`,
      [id],
    )
    if (!record) throw new Error(`There is no ${collection} ${id}.`)
    return app.tokens.issue(table, { created: '', updated: '', ...record }, 'auth', 3600)
  }
  const agentToken = () => tokenOf('agents', agent.id)

  return {
    agentToken,
    userToken: (id: string) => tokenOf('users', id),

    /** Claims a pending operation, as the agent. */
    async claim(id: string, name = 'claim-one') {
      const body = { status: 'running', claim: name }
      const answer = await server.call('PATCH', records('patch_operations', id), {
        token: await agentToken(),
        body,
      })
      expect(answer.status, JSON.stringify(answer.body)).toBe(200)
      return answer.body
    },

    /** Reports a claimed operation with what its script printed. */
    async report(id: string, fields: Record<string, string>, printed?: unknown, token?: string) {
      const form = new FormData()
      for (const [name, value] of Object.entries({ claim: 'claim-one', ...fields })) form.set(name, value)
      const text = typeof printed === 'string' ? printed : `=== readable ===\n${JSON.stringify(printed)}\n`
      if (printed !== undefined) form.set('stdout_file', new Blob([text]), 'stdout')
      const answer = await fetch(`${server.url}/api/patches/${id}/result`, {
        method: 'POST',
        headers: { authorization: token ?? (await agentToken()) },
        body: form,
      })
      return { status: answer.status, body: (await answer.json()) as Body }
    },

    /** Of the host, as it is stored. */
    async agent(): Promise<Body> {
      const [row] = await app.database.run('select * from "agents" where "id" = $1', [agent.id])
      return row ?? {}
    },

    async operation(id: string): Promise<Body> {
      const [row] = await app.database.run('select * from "patch_operations" where "id" = $1', [id])
      return row ?? {}
    },

    /** `name: current → available` of each package that is known, with its marks. */
    async packages(lxc = ''): Promise<string[]> {
      const rows = await app.database.run<Body>(
        'select * from "agent_packages" where "agent_id" = $1 and "lxc_id" = $2 order by "name", "arch"',
        [agent.id, lxc],
      )
      return rows.map(({ name, current_version, available_version, held, excluded, security }) =>
        [
          `${name}: ${current_version}`,
          available_version && `→ ${available_version}`,
          security && 'security',
          held && 'held',
          excluded && 'excluded',
        ]
          .filter(Boolean)
          .join(' '),
      )
    },
  }
}
