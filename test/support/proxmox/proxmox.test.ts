import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { isRoot } from '../hosts/box.ts'
import { finished } from '../hosts/children.ts'
import { packagesAt } from '../hosts/family.ts'
import { type Cluster, openCluster } from './cluster.ts'

const run = (cluster: Cluster, line: string, node = 'pve1') => {
  const { bin, env } = cluster.node(node)
  const [tool = '', ...args] = line.split(' ')
  return finished(spawn(join(bin, tool), args, { env }))
}
/** Its stdout, where it succeeds. */
const must = async (cluster: Cluster, line: string, node = 'pve1') => {
  const { code, stdout, stderr } = await run(cluster, line, node)
  expect(code, stderr).toBe(0)
  return stdout
}

test('what goes wrong is said as Proxmox says it', async () => {
  await using cluster = await openCluster({ nodes: ['pve1', 'pve2'] })
  cluster.guest({ vmid: 101, node: 'pve1', status: 'stopped' })
  cluster.guest({ vmid: 102, node: 'pve1', config: { lock: 'backup' } })
  cluster.guest({ vmid: 103, node: 'pve1', canSnapshot: false, failStarts: 1 })
  for (const [line, code, stderr] of [
    ['pct exec 101 -- true', 255, "container '101' not running!\n"],
    ['pct status 999', 2, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"],
    ['pct stop 101', 255, 'CT 101 not running\n'],
    ['pct start 103', 255, 'CT 103 already running\n'],
    ['pct snapshot 102 before', 255, 'CT is locked (backup)\n'],
    ['pct snapshot 103 before', 255, 'snapshot feature is not available\n'],
    ['pct rollback 103 before', 255, "snapshot 'before' does not exist\n"],
    ['pct push 101 /etc/hostname /x', 255, 'can only push files to a running CT\n'],
  ] as const)
    expect(await run(cluster, line), line).toEqual({ code, stdout: '', stderr })
  const { stderr } = await run(cluster, 'pct reboot 103')
  expect(stderr).toContain("startup for container '103' failed")
  expect(await must(cluster, 'pct status 103')).toBe('status: stopped\n')
  await must(cluster, 'pct start 103')

  cluster.setQuorate(false)
  expect((await run(cluster, 'pct start 101')).stderr).toBe('cluster not ready - no quorum?\n')
  cluster.edit(({ guests }) => void delete guests[1]?.config.lock)
  expect((await run(cluster, 'pct snapshot 102 before')).stderr).toMatch(/^unable to open file .* denied\n$/)
  // A guest of another node is none of this one.
  expect((await run(cluster, 'pct status 101', 'pve2')).code).toBe(2)
})

test('tools that run at the same time see one state', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1' })
  const names = Array.from({ length: 12 }, (_, number) => `s${number}`)
  await Promise.all(names.map((name) => must(cluster, `pct snapshot 101 ${name}`)))
  expect(
    cluster
      .state()
      .guests[0]?.snapshots.map(({ name }) => name)
      .sort(),
  ).toEqual(names.sort())
  expect(cluster.calls()).toHaveLength(12)
})

test('failures happen as often as they were asked for, and a tool that hangs can be killed', async () => {
  await using cluster = await openCluster()
  cluster.guest({ vmid: 101, node: 'pve1', answers: { '*': { stdout: 'yes\n' } } })
  cluster.fail({ tool: 'pct exec', vmid: 101, times: 2, exit: 7, stderr: 'no\n' })
  expect((await run(cluster, 'pct exec 101 -- true')).code).toBe(7)
  expect((await run(cluster, 'pct status 101')).code).toBe(0)
  expect((await run(cluster, 'pct exec 101 -- true')).stderr).toBe('no\n')
  expect(await must(cluster, 'pct exec 101 -- true')).toBe('yes\n')
  cluster.fail({ tool: 'pct stop', after: true, exit: 1, stderr: 'got timeout\n' })
  expect((await run(cluster, 'pct stop 101')).code).toBe(1)
  expect(cluster.state().guests[0]?.status).toBe('stopped')
  cluster.fail({ tool: 'pct', hang: true })
  const { bin, env } = cluster.node('pve1')
  const hanging = spawn(join(bin, 'pct'), ['list'], { env })
  await expect.poll(() => cluster.calls().at(-1)?.args).toEqual(['list'])
  hanging.kill()
  expect(await finished(hanging)).toMatchObject({ code: null, stdout: '' })
})

test.runIf(isRoot)(
  'a snapshot is the files, and a rollback leaves the container stopped',
  { timeout: 60_000 },
  async () => {
    await using cluster = await openCluster()
    const web = await cluster.container({
      ...{ vmid: 101, node: 'pve1', family: 'apt' },
      installed: packagesAt('1.0', 'pb-one'),
    })
    await web.publish(packagesAt('2.0', 'pb-one'))
    await web.write('/etc/kept', 'before')
    await must(cluster, 'pct snapshot 101 before')
    await web.write('/etc/kept', 'after')
    await web.must(['rm', '/etc/hostname'])
    await must(cluster, 'pct exec 101 -- apt-get -q update')
    await must(cluster, 'pct exec 101 -- apt-get -q -y upgrade')
    expect(await web.versions()).toEqual({ 'pb-one': '2.0' })
    await must(cluster, 'pct snapshot 101 later')
    expect((await run(cluster, 'pct rollback 101 before')).stderr).toContain('is not most recent snapshot')
    expect(await must(cluster, 'pct listsnapshot 101')).toMatch(
      /^`-> before +\d{4}-\d\d-\d\d [\d:]{8} +no-description\n `-> later .*\n {2}`-> current +You are here!\n$/,
    )
    await must(cluster, 'pct delsnapshot 101 later')
    await must(cluster, 'pct rollback 101 before')
    expect(await must(cluster, 'pct status 101')).toBe('status: stopped\n')
    await must(cluster, 'pct start 101')
    expect(await must(cluster, 'pct exec 101 -- cat /etc/kept /proc/self/comm')).toBe('beforecat\n')
    expect(existsSync(join(web.root, 'etc/hostname'))).toBe(true)
    expect(await web.versions()).toEqual({ 'pb-one': '1.0' })
  },
)

test.runIf(isRoot)(
  'what runs inside outlives pct, and ends with the container',
  { timeout: 60_000 },
  async () => {
    await using cluster = await openCluster({ version: '9.0.3' })
    const { bin, env, root } = cluster.node('pve1')
    const web = await cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    const sleeps = async () => [...(await web.processes()).values()].filter((name) => name === 'sleep').length
    const exec = spawn(join(bin, 'pct'), ['exec', '101', '--', 'sleep', '1000'], { env, detached: true })
    await expect.poll(sleeps, { timeout: 10_000 }).toBe(1)
    const ended = once(exec, 'exit')
    process.kill(-(exec.pid ?? 0), 'SIGKILL')
    await ended
    expect(await sleeps()).toBe(1)
    await must(cluster, 'pct stop 101')
    await expect.poll(sleeps).toBe(0)
    await must(cluster, 'pct start 101')

    const file = join(root, 'script')
    writeFileSync(file, '#!/bin/sh\nexit 3\n')
    await must(cluster, `pct push 101 ${file} /root/script --perms 0700`)
    expect(statSync(join(web.root, 'root/script')).mode & 0o7777).toBe(0o700)
    expect((await run(cluster, 'pct exec 101 -- /root/script')).code).toBe(3)
    expect((await run(cluster, 'pct push 101 /etc/hostname /none/x')).stderr).toContain(
      'failed to create file',
    )
    expect((await run(cluster, 'pct exec 101 -- nothing')).code).toBe(127)
    // Version 9 gives nothing of the caller's environment on.
    expect(await must(cluster, 'pct exec 101 -- env')).not.toContain(bin)
    await must(cluster, `pct pull 101 /root/script ${file}.back`)
    expect(readFileSync(`${file}.back`, 'utf8')).toContain('exit 3')
    web.edit((guest) => {
      guest.network = false
    })
    expect((await must(cluster, 'pct exec 101 -- hostname -I')).trim()).toBe('')
  },
)

test.runIf(isRoot)('nothing is left of a cluster', async () => {
  const { stdout: before } = await promisify(execFile)('ps', ['-eo', 'args'])
  let folder = ''
  let box = ''
  {
    await using cluster = await openCluster()
    const web = await cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    folder = cluster.folder
    box = web.folder
    const { bin, env } = cluster.node('pve1')
    spawn(join(bin, 'pct'), ['exec', '101', '--', 'sleep', '123456'], { env, stdio: 'ignore' })
    cluster.fail({ tool: 'pct list', hang: true })
    spawn(join(bin, 'pct'), ['list'], { env, stdio: 'ignore' })
    await expect.poll(() => cluster.state().failures[0]?.times).toBe(0)
    await expect.poll(async () => [...(await web.processes()).values()]).toContain('sleep')
  }
  expect([existsSync(folder), existsSync(box)]).toEqual([false, false])
  const left = async () => {
    const { stdout } = await promisify(execFile)('ps', ['-eo', 'args'])
    return stdout.split('\n').filter((line) => line.includes(folder) || line === 'sleep 123456')
  }
  expect(before).not.toContain('sleep 123456')
  await expect.poll(left, { timeout: 5_000 }).toEqual([])
})
