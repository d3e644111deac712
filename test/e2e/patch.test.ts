/** Server and agent as processes of their own, on real apt: from the operator's wish to installed packages. */
import { createHash } from 'node:crypto'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isRoot } from '../support/hosts/box.ts'
import { createWorld, type Operation, slow } from './world.ts'

if (!isRoot) console.warn('Left out: the path from operator to installed packages, which needs root and apt.')

const names = (rows: { package: string }[] | undefined) => rows?.map((row) => row.package)
const untouched = { 'pb-alpha': '1.0', 'pb-beta': '1.0', 'pb-kept': '1.0' }

/** A world with an agent enrolled and pb-slow to be updated, which takes some seconds. */
async function slowWorld(seconds: number) {
  await using opened = new AsyncDisposableStack()
  const world = opened.use(await createWorld())
  await world.host.install([{ ...slow('1.0', 0), postinstall: undefined }])
  await world.host.publish([slow('2.0', seconds)])
  await world.enrol()
  opened.move()
  return world
}

describe.runIf(isRoot)('server and agent on real apt', { timeout: 60_000 }, () => {
  test('enrolled by code: dry run, apply, and an exception that is respected', async () => {
    await using world = await createWorld()
    const agent_id = await world.enrol()
    await world.startAgent()
    await world.ask('POST', '/api/collections/package_exceptions/records', {
      ...{ agent_id, package_name: 'pb-k*', reason: 'tuned by hand' },
    })

    const dry = await world.finished((await world.request('dry-run')).id)
    expect(dry).toMatchObject({ status: 'completed', exit_code: 0, updates_available: 2, error_message: '' })
    expect(dry.result?.packages).toMatchObject([
      { package: 'pb-alpha', current_version: '1.0', new_version: '2.0', security: false },
      { package: 'pb-beta', current_version: '1.0', new_version: '2.0', security: false },
    ])
    expect(names(dry.result?.excluded)).toEqual(['pb-kept'])
    const printed = world.spool(dry.id, 'stdout')
    expect(printed).toContain('2 packages can be upgraded')
    expect(await world.download(dry.id, dry.stdout_file)).toBe(printed)
    // Of an empty output no file is kept.
    expect([dry.stderr_file, world.spool(dry.id, 'stderr')]).toEqual(['', ''])
    expect(await world.host.versions()).toEqual(untouched)
    // By the event: the list is looked at once a minute.
    expect(Date.parse(dry.started_at) - Date.parse(dry.created_at)).toBeLessThan(2000)

    const applied = await world.finished((await world.request('apply')).id)
    expect(applied).toMatchObject({ status: 'completed', exit_code: 0, updates_available: 2 })
    expect(names(applied.result?.upgraded)).toEqual(['pb-alpha', 'pb-beta'])
    expect(await world.host.versions()).toEqual({ 'pb-alpha': '2.0', 'pb-beta': '2.0', 'pb-kept': '1.0' })
    expect(await world.host.holds()).toEqual([])

    const again = await world.finished((await world.request('dry-run')).id)
    expect(again).toMatchObject({ status: 'completed', exit_code: 2, updates_available: 0 })
    expect((await world.runs()).asked).toBe(3)
  })

  test('a script that changed on the server is not run, and both hashes are named', async () => {
    await using world = await createWorld()
    await world.enrol()
    await world.startAgent()
    const [path] = globSync(`files/*/*/apt_update_*.sh`, { cwd: world.folder })
    const stored = join(world.folder, path ?? '')
    const bytes = readFileSync(stored)
    bytes[bytes.length - 2] = (bytes.at(-2) ?? 0) ^ 1
    writeFileSync(stored, bytes)

    const { id } = await world.request('apply')
    const ended = await world.finished(id)
    expect(ended).toMatchObject({
      status: 'failed',
      outcome: 'hash_mismatch',
      exit_code: null,
      stdout_file: '',
    })
    expect(ended.error_message).toContain(ended.script_sha256)
    expect(ended.error_message).toContain(createHash('sha256').update(bytes).digest('hex'))
    expect(await world.runs()).toEqual({ asked: 0, configured: [] })
    expect(await world.host.versions()).toEqual(untouched)
    // The target is free again.
    await world.request('apply')
  })

  test('what is asked for while the agent is away is done when it comes', async () => {
    await using world = await createWorld()
    await world.enrol()
    const { id } = await world.request('apply')
    await world.startAgent()
    expect(await world.finished(id)).toMatchObject({ status: 'completed', exit_code: 0 })
    expect((await world.host.versions())['pb-alpha']).toBe('2.0')
  })

  const expectOneRun = async (world: Awaited<ReturnType<typeof slowWorld>>, ended: Operation) => {
    expect(ended).toMatchObject({ status: 'completed', outcome: '', exit_code: 0 })
    expect(names(ended.result?.upgraded)).toEqual(['pb-slow'])
    expect(await world.download(ended.id, ended.stdout_file)).toBe(world.spool(ended.id, 'stdout'))
    expect(await world.runs()).toEqual({ asked: 1, configured: ['2.0'] })
    expect((await world.host.versions())['pb-slow']).toBe('2.0')
  }

  test.each([
    ['comes back while the script runs', 6, false],
    ['comes back after the script has ended', 2, true],
  ])('a server that is killed and %s loses nothing', async (_name, seconds, late) => {
    await using world = await slowWorld(seconds)
    await world.startAgent()
    const { id } = await world.request('apply')
    await world.slowBegun()
    await world.killServer()
    if (late) await world.quiet()
    await world.restartServer()
    if (!late) expect((await world.operation(id)).status).toBe('running')
    await expectOneRun(world, await world.finished(id))
    // The agent hears events again.
    const next = await world.finished((await world.request('dry-run')).id)
    expect(next).toMatchObject({ status: 'completed', exit_code: 2 })
  })

  test('an agent that is killed and comes back after the script has ended reports its real outcome', async () => {
    await using world = await slowWorld(2)
    const agent = await world.startAgent()
    const { id } = await world.request('apply')
    await world.slowBegun()
    await agent.end('SIGKILL')
    await world.quiet()
    await world.startAgent()
    await expectOneRun(world, await world.finished(id))
  })

  test('an agent that is killed and comes back while dpkg works lets it end, and does not run it again', async () => {
    await using world = await slowWorld(3)
    const agent = await world.startAgent()
    const { id } = await world.request('apply')
    await world.slowBegun()
    await agent.end('SIGKILL')
    await world.startAgent()
    await expectOneRun(world, await world.finished(id))
  })

  test('an agent that is killed and comes back while apt fetches stops that, and does not run it again', async () => {
    await using world = await createWorld()
    await world.enrol()
    const agent = await world.startAgent()
    const { asked } = world.host.repositories.stall()
    const { id } = await world.request('apply')
    await asked
    await agent.end('SIGKILL')
    await world.startAgent()
    expect(await world.finished(id)).toMatchObject({ status: 'failed', outcome: 'interrupted' })
    await world.quiet()
    expect((await world.runs()).asked).toBe(1)
    expect(await world.host.versions()).toEqual(untouched)
  })

  test('called off while apt asks for metadata: stopped, nothing installed', async () => {
    await using world = await createWorld()
    await world.enrol()
    await world.startAgent()
    const { asked } = world.host.repositories.stall()
    const { id } = await world.request('apply')
    await asked
    const at = performance.now()
    await world.ask('PATCH', '/api/patches', { id, status: 'cancelled' })
    const ended = await world.finished(id)
    // By the event, and not by the next renewal of the lease.
    expect(performance.now() - at).toBeLessThan(10_000)
    expect(ended).toMatchObject({ status: 'cancelled', exit_code: null })
    expect(ended.stdout_file).not.toBe('')
    await world.quiet()
    expect(await world.host.versions()).toEqual(untouched)
  })

  test('called off while dpkg works: the transaction ends, and its outcome stands', async () => {
    await using world = await slowWorld(3)
    await world.startAgent()
    const { id } = await world.request('apply')
    await world.slowBegun()
    await world.ask('PATCH', '/api/patches', { id, status: 'cancelled' })
    await expectOneRun(world, await world.finished(id))
  })
})
