import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemCaller } from '../../core/records/actor.ts'
import { followUp as job } from '../../hooks/jobs/follow-up.ts'
import { followUp } from '../../hooks/reboots/follow-up.ts'
import { addHost, expectEnded, type RebootHost, startRebootWorld } from './reboot-world.ts'
import { records } from './world.ts'

let on: Awaited<ReturnType<typeof startRebootWorld>>
let host: RebootHost

beforeAll(async () => {
  on = await startRebootWorld()
})
afterAll(() => on.world.server[Symbol.asyncDispose]())
beforeEach(async () => {
  host = await addHost(on)
})

type Body = Record<string, unknown>
type End = { fields?: Record<string, string>; printed?: Body }

/** An update is asked for, run and reported; what follows has happened when this returns. */
async function update(body: Body, { fields, printed }: End = {}): Promise<string> {
  const id = await host.operation(body)
  expect((await host.claim(id)).status).toBe(200)
  on.time.forward(5)
  const answer = await host.run.report(id, { exit_code: '0', boot_id: 'boot-1', ...fields }, result(printed))
  expect(answer.status).toBe(200)
  await host.app.settled()
  return id
}
const result = (printed: Body = {}) => ({
  updates_available: 1,
  packages: [{ package: 'openssl', current_version: '1', new_version: '2' }],
  dry_run: false,
  reboot_required: true,
  ...printed,
})
const stateOf = async (id: string) => {
  const { after_patch_state, after_patch_note } = await host.run.operation(id)
  return [after_patch_state, after_patch_note]
}
const reboots = (id?: string) =>
  host.app.database.run<Body & { id: string }>(
    `select * from "reboot_operations" where "agent_id" = $1 ${id ? 'and "operation_id" = $2' : ''}`,
    id ? [host.agent.id, id] : [host.agent.id],
  )
const sweep = () => job.run(host.app)

describe('an update that succeeded', () => {
  it('is followed by the restart it was made with, within the same window', async () => {
    const id = await update({ after_patch: 'always' })
    expect(await stateOf(id)).toEqual(['done', ''])
    const [reboot, ...others] = await reboots(id)
    expect(others).toEqual([])
    expect(reboot).toMatchObject({
      ...{ status: 'sent', lxc_id: '', user_id: on.world.a.id, operation_id: id },
      not_after: (await host.run.operation(id)).not_after,
      reason: `After patch operation ${id}.`,
    })
    expect((await host.host()).pending_reboot_id).toBe(reboot?.id)
    expect((await host.acknowledge(String(reboot?.id))).status).toBe(200)
    on.time.forward(30)
    await host.beat({ boot_id: 'boot-2' })
    await expectEnded(host, String(reboot?.id), 'completed')
    await sweep()
    expect(await reboots()).toHaveLength(1)
  })

  for (const [what, after_patch, end, wanted] of [
    ['nothing was to be updated', 'always', { fields: { exit_code: '2' } }, true],
    ['its result asks for it', 'if_required', {}, true],
    ['its result does not', 'if_required', { printed: { reboot_required: false } }, false],
    ['its result cannot tell', 'if_required', { printed: { reboot_required: null } }, false],
    ['its result does not ask, but its owner does', 'always', { printed: { reboot_required: false } }, true],
    ['nobody asks', 'never', {}, false],
    ['nobody has said anything', undefined, {}, false],
    ['it failed', 'always', { fields: { exit_code: '1' } }, false],
    ['it was rolled back', 'always', { fields: { exit_code: '0', outcome: 'rolled_back' } }, false],
    ['it was stopped', 'always', { fields: { exit_code: '', status: 'cancelled' } }, false],
    ['it never ran', 'always', { fields: { exit_code: '', outcome: 'not_started' } }, false],
    ['it was interrupted', 'always', { fields: { exit_code: '', outcome: 'interrupted' } }, false],
  ] as [string, string | undefined, End, boolean][])
    it(`${wanted ? 'is' : 'is not'} followed by one where ${what} (${after_patch})`, async () => {
      const id = await update({ after_patch }, end)
      expect(await stateOf(id)).toEqual([wanted ? 'done' : '', ''])
      await sweep()
      expect(await reboots()).toHaveLength(wanted ? 1 : 0)
    })

  it('is not followed by one that was made as a dry run, whatever it asks for', async () => {
    const id = await host.operation({ mode: 'dry-run' })
    await host.app.database.run(`update "patch_operations" set "after_patch" = 'always' where "id" = $1`, [
      id,
    ])
    await host.claim(id)
    await host.run.report(id, { exit_code: '0' }, result({ dry_run: true }))
    await host.app.settled()
    expect(await stateOf(id)).toEqual(['', ''])
    expect(await reboots()).toEqual([])
  })

  it('knows of a host what its script could not', async () => {
    await host.app.database.run('update "agents" set "reboot_required" = true where "id" = $1', [
      host.agent.id,
    ])
    const id = await update({ after_patch: 'if_required' }, { printed: { reboot_required: null } })
    expect(await stateOf(id)).toEqual(['done', ''])
    // What is known of a host says nothing about its containers.
    const other = await addHost(on)
    host = other
    await host.app.database.run('update "agents" set "reboot_required" = true where "id" = $1', [
      host.agent.id,
    ])
    const lxc_id = await host.container()
    const inside = await update(
      { after_patch: 'if_required', lxc_id },
      { printed: { reboot_required: null } },
    )
    expect(await stateOf(inside)).toEqual(['', ''])
  })

  it('is not followed by one where the host has been restarted since', async () => {
    await host.beat({ boot_id: 'boot-2' })
    const id = await update({ after_patch: 'always' })
    expect(await stateOf(id)).toEqual(['skipped', 'The host has been restarted since the update.'])
    expect(await reboots()).toEqual([])
  })

  it('restarts its container, not the host', async () => {
    const lxc_id = await host.container()
    const id = await update({ after_patch: 'always', lxc_id })
    const [reboot] = await reboots(id)
    const { vmid, pending_reboot_id } = await host.row('proxmox_lxc', lxc_id)
    expect(reboot).toMatchObject({ lxc_id, vmid })
    expect(pending_reboot_id).toBe(reboot?.id)
    expect((await host.host()).pending_reboot_id).toBe('')
  })

  it('may be one that was lost track of', async () => {
    const id = await host.operation({ after_patch: 'always' })
    await host.claim(id)
    await host.app.database.run(
      `update "patch_operations" set "status" = 'failed', "outcome" = 'lease_lost' where "id" = $1`,
      [id],
    )
    await sweep()
    expect(await reboots()).toEqual([])
    await host.run.report(id, { exit_code: '0' }, result())
    await host.app.settled()
    expect(await stateOf(id)).toEqual(['done', ''])
  })

  it('is followed by one restart, although it is reported again and again', async () => {
    const id = await update({ after_patch: 'always' })
    const [reboot] = await reboots()
    await host.fail(String(reboot?.id))
    await host.call('DELETE', records('reboot_operations', String(reboot?.id)), await host.owner())
    await host.run.report(id, { exit_code: '0' }, result())
    await host.app.settled()
    await sweep()
    expect(await reboots()).toEqual([])
  })
})

describe('a restart that is wanted', () => {
  /** As a server leaves it that ends right after a report. */
  const wanted = async (body: Body = {}) => {
    const id = await host.operation({ after_patch: 'always', ...body })
    await host.app.database.run(
      `update "patch_operations" set "status" = 'completed', "after_patch_state" = 'wanted' where "id" = $1`,
      [id],
    )
    await host.app.database.run('delete from "operation_locks" where "operation" = $1', [id])
    return id
  }

  it('comes although the server ended before it could ask for it, once', async () => {
    const id = await wanted()
    await Promise.all([sweep(), sweep(), followUp(host.app, id), followUp(host.app, id), sweep()])
    expect(await stateOf(id)).toEqual(['done', ''])
    expect(await reboots()).toHaveLength(1)
    await sweep()
    expect(await reboots()).toHaveLength(1)
  })

  it('is there with the word that it is, or not at all', async () => {
    const id = await wanted()
    const body = { agent_id: host.agent.id, operation_id: id }
    const crashed = host.app.transaction(async (transaction) => {
      const caller = { ...systemCaller, act: 'after-patch' }
      await host.app.records.within(transaction).create('reboot_operations', { body }, caller)
      throw new Error('crash')
    })
    await expect(crashed).rejects.toThrow('crash')
    expect(await stateOf(id)).toEqual(['wanted', ''])
    expect(await reboots()).toEqual([])
    expect((await host.host()).pending_reboot_id).toBe('')
  })

  it('is asked for by nothing that does not want one', async () => {
    const id = await wanted()
    for (const state of ['', 'done', 'skipped']) {
      await host.app.database.run(`update "patch_operations" set "after_patch_state" = $1 where "id" = $2`, [
        state,
        id,
      ])
      const body = { id: 'afterpatchreboo', agent_id: host.agent.id, operation_id: id }
      await expect(host.make('after-patch', body)).rejects.toThrow('asks for no restart')
      await followUp(host.app, id)
    }
    const nothing = { agent_id: host.agent.id, operation_id: 'aaaaaaaaaaaaaaa' }
    await expect(host.make('after-patch', nothing)).rejects.toThrow()
    expect(await reboots()).toEqual([])
  })

  it('waits while something else is unfinished on the target', async () => {
    const id = await wanted()
    const lxc_id = await host.container()
    const other = await host.operation({ lxc_id, mode: 'dry-run' })
    await sweep()
    expect(await stateOf(id)).toEqual(['wanted', ''])
    expect(await reboots()).toEqual([])
    await host.claim(other)
    await host.run.report(other, { exit_code: '0' })
    await sweep()
    expect(await stateOf(id)).toEqual(['done', ''])
  })

  it('waits while the target is restarted by somebody else', async () => {
    const id = await wanted()
    const first = await host.reboot()
    await sweep()
    expect(await stateOf(id)).toEqual(['wanted', ''])
    await host.fail(first)
    await sweep()
    expect(await stateOf(id)).toEqual(['done', ''])
  })

  it('is not asked for outside of the window', async () => {
    const id = await wanted()
    const blocked = await host.reboot({ timeout_seconds: 86_400 })
    on.time.forward(24 * 3600 + 1)
    await sweep()
    const [state, note] = await stateOf(id)
    expect(state).toBe('skipped')
    expect(note).toMatch(/time was over/)
    expect(await reboots(id)).toEqual([])
    await host.fail(blocked)
    await sweep()
    expect(await reboots(id)).toEqual([])
  })

  it('is not begun outside of the window', async () => {
    const id = await wanted()
    await sweep()
    const [reboot] = await reboots(id)
    on.time.forward(24 * 3600 + 1)
    expect((await host.acknowledge(String(reboot?.id))).status).toBe(409)
    await expectEnded(host, String(reboot?.id), 'timeout')
  })

  it('is skipped where the host would refuse it, and says so', async () => {
    const id = await wanted()
    await host.beat({ policy_mode: 'dry-run-only' })
    await sweep()
    expect(await stateOf(id)).toEqual(['skipped', expect.stringMatching(/policy of host-.* is dry-run-only/)])
  })

  for (const status of ['inactive', 'revoked'])
    it(`is skipped where its agent is ${status}`, async () => {
      const id = await wanted()
      await host.call('PATCH', records('agents', host.agent.id), await host.owner(), { status })
      await sweep()
      expect(await stateOf(id)).toEqual(['skipped', expect.stringContaining(status)])
      expect(await reboots()).toEqual([])
    })

  for (const how of ['removed', 'deleted'])
    it(`is skipped where its container is ${how}, and is never the host’s`, async () => {
      const lxc_id = await host.container()
      const id = await wanted({ lxc_id })
      if (how === 'removed') await host.discover(lxc_id, { uptime: 0, status: 'removed' })
      else await host.app.database.run('delete from "proxmox_lxc" where "id" = $1', [lxc_id])
      await sweep()
      expect((await stateOf(id))[0]).toBe('skipped')
      expect(await reboots()).toEqual([])
    })

  it('is nobody’s to say but the server’s', async () => {
    const id = await host.operation()
    const body = { after_patch_state: 'wanted', after_patch_note: 'x' }
    await host.call('PATCH', records('patch_operations', id), await host.owner(), body)
    await host.call('PATCH', records('patch_operations', id), await host.run.agentToken(), {
      ...body,
      ...{ status: 'running', claim: 'claim-one' },
    })
    expect(await stateOf(id)).toEqual(['', ''])
    const made = await host.patch({ lxc_id: await host.container(), ...body })
    expect(made.body).toMatchObject({ after_patch_state: '', after_patch_note: '' })
  })
})

it('is refused for a dry run, which changes nothing', async () => {
  for (const after_patch of ['always', 'if_required']) {
    const refused = await host.patch({ mode: 'dry-run', after_patch })
    expect(refused.status).toBe(400)
    expect(refused.body.data).toHaveProperty('after_patch')
  }
  await host.operation({ mode: 'dry-run', after_patch: 'never' })
})
