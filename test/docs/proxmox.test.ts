/** The page is an operator's afternoon with real containers: what it says to type is typed, and must answer what it shows. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { insides } from '../agent/proxmox/discovery-world.ts'
import { records } from '../api/world.ts'
import { AgentProcess } from '../support/agent-process.ts'
import { FakeInit } from '../support/fake-init.ts'
import { isRoot } from '../support/hosts/box.ts'
import { packagesAt } from '../support/hosts/family.ts'
import { openCluster } from '../support/proxmox/cluster.ts'
import { PASSWORD, startTestServer, type TestServer } from '../support/server.ts'
import { Shell, shown, stepsOf } from './page.ts'

const EMAIL = 'operator@example.com'
/** A container is looked at, and looked after, in tenths of a second; a busy machine may take its time. */
const SOON = {
  containerPollMs: 100,
  guestMs: 200,
  lockRetryMs: 100,
  shutdownMs: 5_000,
  startWithinMs: 60_000,
}

/** A node with an agent and its guests: two containers with real package managers, and what is only told of. */
async function openNode(server: TestServer, token: string) {
  await using opened = new AsyncDisposableStack()
  const cluster = opened.use(await openCluster({ nodes: ['pve1', 'pve2'] }))
  const old = packagesAt('1.0', 'shop', 'shop-plugin')
  const shop = await cluster.container({
    ...{ vmid: 101, node: 'pve1', family: 'apt', name: 'shop', installed: old },
  })
  const plugin = { name: 'shop-plugin', version: '2.0', postinstall: 'echo "no database" >&2\nexit 1\n' }
  await shop.publish([...packagesAt('2.0', 'shop'), plugin])
  const mail = await cluster.container({
    ...{ vmid: 102, node: 'pve1', family: 'apt', name: 'mail', status: 'stopped', installed: old },
  })
  await mail.publish(packagesAt('2.0', 'shop'))
  cluster.guest({
    ...{ vmid: 103, node: 'pve1', name: 'dns', ostype: 'alpine' },
    answers: { '*': { stdout: insides('alpine', '3.20.1', 'apk') } },
  })
  cluster.vm({ vmid: 200, node: 'pve1', name: 'windows' })

  const host = opened.use(new FakeInit(undefined, { heartbeatMs: 300, ...SOON }, cluster.node('pve1').root))
  const path = records('enrolment_tokens')
  const { body } = await server.call<{ token: string }>('POST', path, { token, body: { name: 'pve1' } })
  const named = ['--server', server.url, '--token', body.token]
  const registered = new AgentProcess(['register', ...host.arguments, ...named])
  expect(await registered.exit(), registered.output).toBe(0)
  await host.start().says(/Subscribed/)
  const found = async () => {
    type Found = { items: { vmid: number; package_manager: string }[] }
    const list = await server.call<Found>('GET', records('proxmox_lxc'), { token })
    const known = list.body.items.map(({ vmid, package_manager }) => `${vmid} ${package_manager}`)
    expect(known.sort()).toEqual(['101 apt', '102 ', '103 apk'])
  }
  await vi.waitFor(found, { timeout: 60_000, interval: 200 })
  const own = opened.move()
  return { cluster, host, [Symbol.asyncDispose]: () => own.disposeAsync() }
}

let server: TestServer
let node: Awaited<ReturnType<typeof openNode>>
let shell: Shell

describe.skipIf(!isRoot)('docs/proxmox.md', () => {
  beforeAll(async () => {
    server = await startTestServer()
    node = await openNode(server, (await server.user(EMAIL)).token)
    shell = new Shell({ SERVER: server.url, EMAIL, PASSWORD })
  }, 180_000)
  afterAll(async () => {
    shell?.[Symbol.dispose]()
    await node?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
  })
  const steps = stepsOf('docs/proxmox.md')

  it('has something to type', () => expect(steps.length).toBeGreaterThan(9))

  it.each(steps)('does what it says: $commands', { timeout: 120_000 }, async ({ commands, expected }) => {
    const output = await shell.run(commands)
    if (expected !== undefined) expect(output, node.host.output).toMatch(shown(expected))
  })

  it('names everything that was run on the node for that', () => {
    const [, list = ''] = readFileSync('docs/proxmox.md', 'utf8').split('## What is run on a node')
    const run = node.cluster.calls().map(({ tool, args: [verb = '', path = ''] }) => {
      const what = path.replace('/pve1/', '/NODE/').replace(/\/pve1$|\/\d+/, '/N')
      return tool === 'pvesh' ? what : `${tool} ${verb}`
    })
    expect([...new Set(run)].filter((command) => !list.includes(command))).toEqual([])
    expect(run).toContain('pct rollback')
  })
})
