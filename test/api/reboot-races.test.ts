import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemCaller } from '../../core/records/actor.ts'
import type { Records } from '../../core/records/index.ts'
import { addHost, type RebootHost, startRebootWorld } from './reboot-world.ts'
import { records, until } from './world.ts'

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

/** Does `work` in a transaction, lets others go ahead until one of them waits for it, and commits then. */
async function meanwhile<T>(
  { app }: RebootHost,
  work: (records: Records) => Promise<unknown>,
  others: () => Promise<T>,
): Promise<T> {
  let waiting: Promise<T> | undefined
  await app.transaction(async (transaction) => {
    await work(app.records.within(transaction))
    waiting = others()
    await until('somebody waits for the transaction', async () => {
      const [row] = await transaction.run<{ waits: boolean }>(
        `select exists (select 1 from pg_locks where not "granted" and pg_backend_pid() = any(pg_blocking_pids("pid"))) as "waits"`,
      )
      return row?.waits === true
    })
  })
  return waiting as Promise<T>
}

it('sees what was made on the host between its look and its writing', async () => {
  for (const body of [{ mode: 'dry-run' }, { mode: 'apply' }]) {
    const host = await addHost(on)
    const lxc_id = await host.container()
    const input = { body: { agent_id: host.agent.id, lxc_id, ...body } }
    const make = (records: Records) => records.create('patch_operations', input, systemCaller)
    const refused = await meanwhile(host, make, () => host.ask())
    expect([refused.status, refused.body.message]).toEqual([409, expect.stringMatching(/^Operation /)])
    expect(await unfinished(host)).toEqual([`${body.mode} ${lxc_id}`])
  }
})

it('is seen by what was to be made on its host, or in its container, at the same moment', async () => {
  for (const inside of [false, true]) {
    const host = await addHost(on)
    const lxc_id = await host.container()
    const input = { body: { agent_id: host.agent.id, ...(inside && { lxc_id }) } }
    const make = (records: Records) => records.create('reboot_operations', input, systemCaller)
    const refused = await meanwhile(host, make, () => host.patch({ lxc_id, mode: 'dry-run' }))
    expect([refused.status, refused.body.message]).toEqual([409, expect.stringMatching(/^Reboot /)])
    expect(await unfinished(host)).toEqual([inside ? `reboot ${lxc_id}` : 'reboot'])
  }
})

it('does not wait for those who only name its host', async () => {
  const host = await addHost(on)
  const lxc_id = await host.container()
  await host.app.transaction(async (transaction) => {
    const body = { agent_id: host.agent.id, lxc_id, package_name: 'nginx' }
    await host.app.records.within(transaction).create('package_exceptions', { body }, systemCaller)
    await host.operation()
    await host.reboot({ lxc_id })
  })
})
