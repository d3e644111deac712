import { afterAll, beforeAll, expect, it } from 'vitest'
import { addHost, type RebootHost, startRebootWorld } from './reboot-world.ts'
import { records } from './world.ts'

let on: Awaited<ReturnType<typeof startRebootWorld>>

beforeAll(async () => {
  on = await startRebootWorld()
})
afterAll(() => on.world.server[Symbol.asyncDispose]())

/** What is unfinished on a host, as `reboot` and `apply`, with the container where it is in one. */
async function unfinished(host: RebootHost): Promise<string[]> {
  const rows = await host.app.database.run<{ what: string }>(
    `select 'reboot ' || "lxc_id" as "what" from "reboot_operations"
       where "agent_id" = $1 and "status" in ('sent', 'rebooting')
     union all select "mode" || ' ' || "lxc_id" from "patch_operations"
       where "agent_id" = $1 and "status" in ('pending', 'running') order by 1`,
    [host.agent.id],
  )
  return rows.map(({ what }) => what.trim())
}

it('never leaves a host’s reboot and anything else on it unfinished, whoever comes first', async () => {
  const seen = new Set<string>()
  for (let round = 0; round < 12; round++) {
    const host = await addHost(on)
    const container = await host.container()
    const token = await host.owner()
    // Patch operations only wait for each other, so that reboots win where there are far more of them.
    const isReboot = (at: number) => (round % 2 ? at < 36 : at % 2 === 0)
    const wishes = Array.from({ length: 40 }, (_, at) => {
      const inside = at % 8 >= 4 && !(round % 2 && isReboot(at))
      const body = { agent_id: host.agent.id, ...(inside && { lxc_id: container }) }
      const patch = { ...body, mode: at % 3 === 0 ? 'dry-run' : 'apply' }
      return isReboot(at)
        ? () => host.call('POST', '/api/reboot', token, body)
        : () => host.call('POST', '/api/patches', token, patch)
    })
    if (round % 2 === 0) wishes.sort(() => Math.random() - 0.5)
    const answers = await Promise.all(wishes.map((wish) => wish()))
    const statuses = new Set(answers.map(({ status }) => status))
    expect([...statuses].filter((status) => ![200, 201, 409].includes(status))).toEqual([])
    for (const { status, body } of answers)
      if (status === 409) expect(body.message).toMatch(/^(Reboot|Operation) |dry runs are already waiting/)
    const left = await unfinished(host)
    expect(left.length).toBeGreaterThan(0)
    // Alone: the host's reboot. One of a kind in the container: its reboot, or updates.
    if (left.includes('reboot')) expect(left).toEqual(['reboot'])
    const inside = left.filter((what) => what.endsWith(container))
    if (inside.includes(`reboot ${container}`)) expect(inside).toHaveLength(1)
    expect(inside.filter((what) => what.startsWith('apply')).length).toBeLessThan(2)
    seen.add(left.includes('reboot') ? 'reboot' : 'others')
  }
  expect([...seen].sort()).toEqual(['others', 'reboot'])
})

it('gives the names on host and container to the reboot that there is', async () => {
  const host = await addHost(on)
  const token = await host.owner()
  const body = { agent_id: host.agent.id }
  const ways = [
    () => host.call('POST', '/api/reboot', token, body),
    () => host.call('POST', records('reboot_operations'), token, body),
    () =>
      host.call('POST', '/api/batch', token, {
        requests: [{ method: 'POST', url: records('reboot_operations'), body }],
      }),
  ]
  const answers = await Promise.all(Array.from({ length: 30 }, (_, at) => ways[at % 3]?.()))
  expect(answers.filter((answer) => answer?.status === 200)).toHaveLength(1)
  const [only, ...others] = await host.app.database.run<{ id: string }>(
    'select "id" from "reboot_operations" where "agent_id" = $1',
    [host.agent.id],
  )
  expect(others).toEqual([])
  expect((await host.host()).pending_reboot_id).toBe(only?.id)
  expect(await host.locks()).toBe(1)
})

it('acknowledges once what is withdrawn and acknowledged at the same moment', async () => {
  for (let round = 0; round < 10; round++) {
    const host = await addHost(on)
    const id = await host.reboot()
    const [token, agent] = [await host.owner(), await host.run.agentToken()]
    const [taken, withdrawn] = await Promise.all([
      host.call('POST', `/api/reboot/${id}/acknowledge`, agent),
      host.set(id, { status: 'failed' }, token),
    ])
    expect([taken.status, withdrawn.status].sort()).toEqual([200, 409])
    const { status } = await host.stored(id)
    expect(status).toBe(taken.status === 200 ? 'rebooting' : 'failed')
    expect((await host.host()).pending_reboot_id).toBe(status === 'rebooting' ? id : '')
  }
})

it('leaves nothing behind when the agent is revoked while everything else happens to its reboot', async () => {
  for (let round = 0; round < 10; round++) {
    const host = await addHost(on)
    const container = await host.container()
    const id = await host.reboot(round % 2 ? { lxc_id: container } : {})
    const [token, agent] = [await host.owner(), await host.run.agentToken()]
    const answers = await Promise.all([
      host.call('POST', `/api/reboot/${id}/acknowledge`, agent),
      host.call('PATCH', records('agents', host.agent.id), token, { status: 'revoked' }),
      host.call('POST', `/api/reboot/${id}/fail`, agent, { error_message: 'no' }),
      host.ask({}, token),
    ])
    expect(answers.filter(({ status }) => status >= 500)).toEqual([])
    expect(await unfinished(host)).toEqual([])
    expect(await host.locks()).toBe(0)
    expect((await host.host()).pending_reboot_id).toBe('')
    expect((await host.row('proxmox_lxc', container)).pending_reboot_id ?? '').toBe('')
  }
})
