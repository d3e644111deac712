/** Reboots from the owner's wish to the proof: a real server, and an agent on a machine that really goes down. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { records } from '../api/world.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { FakeInit } from '../support/fake-init.ts'
import { openCluster } from '../support/proxmox/cluster.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

type Body = Record<string, unknown>
type Reboot = Body & { id: string; status: string; error_message: string }

const WAIT_MS = 20_000
const OVER = ['completed', 'failed', 'timeout']

let server: TestServer
let owner: { id: string; token: string }

beforeAll(async () => {
  server = await startTestServer()
  owner = await server.user('owner@example.com')
  const form = new FormData()
  const fields = { name: 'apt-update.sh', platform_family: 'debian', package_manager: 'apt' }
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  form.set('file', new Blob(['#!/bin/sh\nsleep 1\necho done\n']), 'apt-update.sh')
  const { token: authorization } = await server.superuser()
  const path = server.url + records('scripts')
  const answer = await fetch(path, { method: 'POST', headers: { authorization }, body: form })
  expect(answer.status).toBe(200)
})
afterAll(() => server[Symbol.asyncDispose]())

const ask = async <T = Body>(method: string, path: string, body?: Body) => {
  const answer = await server.call<T>(method, path, { token: owner.token, body })
  if (answer.status >= 300) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
const read = <T = Body>(collection: string, id: string) => ask<T>('GET', records(collection, id))

/** Looks again until `found` gives something. */
const until = async <T>(what: string, found: () => Promise<T | undefined | false>): Promise<T> => {
  for (const began = performance.now(); performance.now() - began < WAIT_MS; await sleep(50)) {
    const it = await found()
    if (it) return it
  }
  throw new Error(`Waited in vain: ${what}`)
}
const rebootOver = (id: string) =>
  until(`the end of reboot ${id}`, async () => {
    const reboot = await read<Reboot>('reboot_operations', id)
    return OVER.includes(reboot.status) && reboot
  })
const order = async (body: Body) => (await ask<{ reboot_id: string }>('POST', '/api/reboot', body)).reboot_id

/** A machine of its own, whose agent is enrolled and runs. */
async function startHost(timings: Record<string, number> = {}, root?: string) {
  const host = new FakeInit(undefined, { heartbeatMs: 300, ...timings }, root)
  onTestFinished(() => host[Symbol.asyncDispose]())
  if (!root) {
    writeFileSync(join(host.root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\n')
    writeFileSync(join(host.root, 'usr/bin/apt-get'), '')
  }
  const { token } = await ask<{ token: string }>('POST', records('enrolment_tokens'), { name: 'host' })
  const named = ['--server', server.url, '--token', token]
  const registered = new AgentProcess(['register', ...host.arguments, ...named])
  expect(await registered.exit(), registered.output).toBe(0)
  const id = /as agent (\w+)/.exec(registered.output)?.[1] ?? ''
  await host.start().says(/Subscribed/)
  return Object.assign(host, { id })
}

describe('a host', { timeout: 60_000 }, () => {
  test('asked for by its owner, acknowledged, restarted once, and proved', async () => {
    const host = await startHost()
    const before = host.bootId
    const id = await order({ agent_id: host.id, reason: 'a new kernel' })
    const reboot = await rebootOver(id)
    expect(reboot).toMatchObject({ status: 'completed', boot_id_before: before, error_message: '' })
    expect(String(reboot.completed_at) > String(reboot.acknowledged_at)).toBe(true)
    expect(host.orders).toEqual(['systemctl reboot'])
    const agent = await read('agents', host.id)
    expect(agent).toMatchObject({ pending_reboot_id: '', boot_id: host.bootId })
    // It can be asked for again, and then happens again.
    expect(await rebootOver(await order({ agent_id: host.id }))).toMatchObject({ status: 'completed' })
    expect(host.orders).toHaveLength(2)
  })

  test('heartbeats before it goes down do not complete it; its agent killed on the way does no harm', async () => {
    const host = await startHost()
    host.obey('ignore')
    const id = await order({ agent_id: host.id })
    await host.ordered()
    await host.agent.stop('SIGKILL')
    await host.start().says(/it is waited for/)
    const seen = async () => String((await read('agents', host.id)).last_seen)
    const { acknowledged_at } = await read<Reboot>('reboot_operations', id)
    await until('a heartbeat after the acknowledgement', async () => (await seen()) > String(acknowledged_at))
    expect(await read('reboot_operations', id)).toMatchObject({ status: 'rebooting' })
    expect(await read('agents', host.id)).toMatchObject({ pending_reboot_id: id })
    await host.restart()
    expect(await rebootOver(id)).toMatchObject({ status: 'completed' })
    expect(host.orders).toHaveLength(1)
  })

  test('a command that fails: said at once, and the host is free for other work', async () => {
    const host = await startHost()
    host.obey('fail')
    const reboot = await rebootOver(await order({ agent_id: host.id }))
    expect(reboot).toMatchObject({
      status: 'failed',
      error_message: '"systemctl reboot" failed with exit code 1: Access denied',
    })
    expect(await read('agents', host.id)).toMatchObject({ pending_reboot_id: '' })
    await ask('POST', '/api/patches', { agent_id: host.id, mode: 'dry-run' })
  })

  test('its policy forbids it: refused when it is asked for, or by the host', async () => {
    const host = await startHost()
    const policy = join(host.state.folder, 'policy.json')
    writeFileSync(policy, '{"mode": "full"}', { mode: 0o600 })
    await host.agent.stop()
    const id = await order({ agent_id: host.id })
    writeFileSync(policy, '{"mode": "observe-only"}', { mode: 0o600 })
    host.start(['--policy', policy])
    expect((await rebootOver(id)).error_message).toContain('The policy of this host (observe-only)')
    await until('a heartbeat with the policy', async () => {
      return (await read('agents', host.id)).policy_mode === 'observe-only'
    })
    await expect(order({ agent_id: host.id })).rejects.toThrow(/^409: .*observe-only/)
    expect(host.orders).toEqual([])
  })

  test('after an update that asks for it: reported first, restarted then, once', async () => {
    const host = await startHost()
    const made = { agent_id: host.id, mode: 'apply', after_patch: 'always' }
    const { id } = await ask<{ id: string }>('POST', '/api/patches', made)
    const follows = `operation_id = "${id}"`
    const { id: reboot } = await until('the reboot that follows', async () => {
      const path = `${records('reboot_operations')}?filter=${encodeURIComponent(follows)}`
      return (await ask<{ items: Reboot[] }>('GET', path)).items[0]
    })
    expect(await rebootOver(reboot)).toMatchObject({ status: 'completed' })
    expect(await read('patch_operations', id)).toMatchObject({
      status: 'completed',
      after_patch_state: 'done',
    })
    expect(host.orders).toHaveLength(1)
  })

  test('a server set back to before the restart: it does not happen twice', async () => {
    const host = await startHost()
    const { database } = server.server.app
    const id = await order({ agent_id: host.id })
    const before = await rebootOver(id)
    expect(before.status).toBe('completed')
    await database.run(
      `update "reboot_operations" set "status" = 'sent', "acknowledged_at" = '', "completed_at" = '' where "id" = $1`,
      [id],
    )
    await database.run('update "agents" set "pending_reboot_id" = $1 where "id" = $2', [id, host.id])
    await host.agent.stop()
    host.start()
    const reboot = await rebootOver(id)
    expect(reboot.status).toBe('failed')
    expect(reboot.error_message).toMatch(/^The machine was restarted for this reboot already/)
    expect(await read('agents', host.id)).toMatchObject({ pending_reboot_id: '' })
    expect(host.orders).toHaveLength(1)
  })
})

describe('a container', { timeout: 60_000 }, () => {
  /** A node with one container, which the server knows. */
  async function startNode(guest: { status?: 'stopped' } = {}) {
    const cluster = await openCluster()
    onTestFinished(() => cluster[Symbol.asyncDispose]())
    cluster.guest({ vmid: 101, node: 'pve1', ...guest })
    const host = await startHost({ guestMs: 200 }, cluster.node('pve1').root)
    const { id } = await until('its discovery', async () => {
      const filter = encodeURIComponent(`agent_id = "${host.id}" && vmid = 101`)
      return (await ask<{ items: Reboot[] }>('GET', `${records('proxmox_lxc')}?filter=${filter}`)).items[0]
    })
    return { cluster, host, lxc_id: id }
  }

  test('is restarted on its node, and proved by its uptime', async () => {
    const { cluster, host, lxc_id } = await startNode()
    const id = await order({ agent_id: host.id, lxc_id })
    expect(await rebootOver(id)).toMatchObject({ status: 'completed', vmid: 101 })
    expect(await read('proxmox_lxc', lxc_id)).toMatchObject({ pending_reboot_id: '', status: 'running' })
    const restarts = cluster.calls().filter(({ tool, args }) => tool === 'pct' && args[0] === 'reboot')
    expect(restarts).toHaveLength(1)
    expect(host.orders).toEqual([])
  })

  test('that is stopped stays stopped, and that is why it failed', async () => {
    const { cluster, host, lxc_id } = await startNode({ status: 'stopped' })
    const reboot = await rebootOver(await order({ agent_id: host.id, lxc_id }))
    expect(reboot.status).toBe('failed')
    expect(reboot.error_message).toMatch(/Container 101 is not running \(stopped\)/)
    expect(cluster.state().guests).toMatchObject([{ status: 'stopped' }])
  })
})
