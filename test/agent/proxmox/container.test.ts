import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isRoot } from '../../support/hosts/box.ts'
import { openWorld, type World } from './container-world.ts'

const TWO_MINUTES = 120_000

const container = (world: World, more: Record<string, unknown> = {}) =>
  world.cluster.container({ vmid: 101, node: 'pve1', family: 'none', name: 'web', ...more })

/** Changes something, and ends with this code. */
const changing = (code: number, more = '') => `#!/bin/sh\necho changed >/etc/changed\n${more}\nexit ${code}\n`
const changed = ({ root }: { root: string }) => existsSync(join(root, 'etc/changed'))

/** What the tools for a look at a container's health say there, as a running systemd would have it. */
const units = (root: string, text: string) => {
  mkdirSync(join(root, 'run/systemd/system'), { recursive: true })
  writeFileSync(join(root, 'usr/local/bin/systemctl'), `#!/bin/sh\n${text}\n`)
  chmodSync(join(root, 'usr/local/bin/systemctl'), 0o755)
}

describe.skipIf(!isRoot)('in a container', { timeout: TWO_MINUTES }, () => {
  test('a dry run: pushed, run with its arguments in a clean environment, removed, reported', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent()
    const row = world.order({
      vmid: 101,
      mode: 'dry-run',
      snapshot: true,
      exclusions: ['linux-*'],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
      script: '#!/bin/sh\nprintf "%s|" "$@"; pwd; env; ls -ld "${0%/*}" "$0"; echo bad >&2; exit 2\n',
    })
    const result = await world.result(row)
    expect(result, agent.output).toMatchObject({ exit_code: '2' })
    const said = String(result.stdout_file)
    expect(said).toContain('--dry-run|--exclude|linux-*|/\n')
    expect(said).toMatch(/drwx------ .* root root .* \/run\/patchbase-[0-9a-f]{32}\n/)
    expect(said).toMatch(/-rwx------ .* root root .* \/run\/patchbase-[0-9a-f]{32}\/script\n/)
    expect(said).toContain('HOME=/root\n')
    expect(said).not.toContain('LC_ALL')
    expect(result.stderr_file).toContain('=== The script ===\nbad\n')
    expect(world.left(web.root)).toEqual([])
    // A dry run needs no snapshot.
    expect(world.steps()).toEqual([expect.stringMatching(/^push 101 /)])
  })

  test('an apply: a snapshot before it, kept; of ours three stay, and all of others', async () => {
    await using world = await openWorld()
    const web = await container(world)
    const ours = (id: string, at: number, description = `Made by Patchbase before operation ${id}`) => ({
      ...{ name: `patchbase-${id}`, description, at: Date.now() - at * 86_400_000, parent: '' },
    })
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(15)) as [
      string,
      string,
      string,
      string,
    ]
    web.edit((guest) => {
      guest.snapshots = [
        ours(a, 50),
        { ...ours(b, 40), description: 'mine, by hand' },
        ours(c, 30),
        ours(d, 20),
        { name: 'before-upgrade', description: `Made by Patchbase before operation ${c}`, at: 0, parent: '' },
      ]
    })
    await using agent = world.agent()
    const row = world.order({ vmid: 101, snapshot: true, script: changing(0) })
    expect(await world.result(row), agent.output).toMatchObject({ exit_code: '0' })
    expect(changed(web)).toBe(true)
    expect(web.guest().snapshots.map(({ name }) => name)).toEqual([
      ...[`patchbase-${b}`, `patchbase-${c}`, `patchbase-${d}`, 'before-upgrade', `patchbase-${row.id}`],
    ])
    expect(world.left(web.root)).toEqual([])
  })

  test('old snapshots that cannot be deleted are a line in the log', async () => {
    await using world = await openWorld()
    const web = await container(world)
    web.edit((guest) => {
      guest.snapshots = ['a', 'b', 'c'].map((letter, at) => ({
        name: `patchbase-${letter.repeat(15)}`,
        description: `Made by Patchbase before operation ${letter.repeat(15)}`,
        at: 1_000_000_000_000 + at * 1000,
        parent: '',
      }))
    })
    world.cluster.fail({ tool: 'pct delsnapshot', stderr: 'dataset is busy\n' })
    await using _agent = world.agent()
    const result = await world.result(world.order({ vmid: 101, snapshot: true, script: changing(0) }))
    expect(result).toMatchObject({ exit_code: '0' })
    expect(result.stderr_file).toContain('dataset is busy')
    expect(result.error_message).toBeUndefined()
  })

  test('it fails where something may have changed: taken back to the snapshot, and both logs reported', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent()
    for (const [code, script] of [
      [104, changing(104, 'echo out; echo err >&2')],
      [105, changing(105)],
      // The third command of an operator's own script, which has `set -e`.
      [1, '#!/bin/sh\nset -e\necho changed >/etc/changed\nfalse\necho never\n'],
      // A code that nobody knows, and a script that a signal has killed.
      [9, changing(9)],
      [137, changing(0, 'kill -KILL $$')],
      [106, changing(106, `echo '{"upgraded":[{"package":"a"}],"failed":[]}'`)],
    ] as const) {
      const row = world.order({ vmid: 101, snapshot: true, script })
      const result = await world.result(row)
      expect(result, agent.output).toMatchObject({ exit_code: `${code}`, outcome: 'rolled_back' })
      expect(result.error_message).toContain(`It was taken back to the snapshot patchbase-${row.id}.`)
      expect(result.stderr_file).toContain(`$ pct rollback 101 patchbase-${row.id}`)
      if (code === 104)
        expect(result).toMatchObject({
          stdout_file: 'out\n',
          stderr_file: expect.stringContaining('\nerr\n'),
        })
      expect(changed(web)).toBe(false)
      expect(web.guest().status).toBe('running')
      expect(world.left(web.root)).toEqual([])
    }
  })

  test('it fails where nothing has changed: what services have written since stays', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent()
    for (const [code, more] of [
      [101, ''],
      [108, ''],
      [2, ''],
      [1, `echo '{"upgraded":[],"failed":[]}'`],
      [106, `echo '{"upgraded":[],"failed":[]}'`],
    ] as const) {
      const row = world.order({ vmid: 101, snapshot: true, script: changing(code, more) })
      const result = await world.result(row)
      expect(result, agent.output).toMatchObject({ exit_code: `${code}` })
      expect(result.outcome).toBeUndefined()
      expect(changed(web)).toBe(true)
      expect(web.guest().snapshots).toEqual([])
      expect(world.left(web.root)).toEqual([])
    }
  })

  test('a rollback that fails is said, with the way to do it by hand', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using _agent = world.agent()
    world.cluster.fail({ tool: 'pct rollback', stderr: 'dataset is gone\n', times: -1 })
    const row = world.order({ vmid: 101, snapshot: true, script: changing(104) })
    const result = await world.result(row)
    expect(result).toMatchObject({ exit_code: '104' })
    expect(result.outcome).toBeUndefined()
    expect(result.error_message).toMatch(
      /failed with 104.*dataset is gone.*By hand: pct rollback 101 patchbase-/,
    )
    expect(web.guest().snapshots).toHaveLength(1)
    expect(world.left(web.root)).toEqual([])
  })

  test.each([
    [
      'a unit more has failed',
      `[ -e /etc/changed ] && echo b.service; echo a.service`,
      /2 of its units have failed, and before it were 1/,
    ],
    ['it has no address any more', '', /no address any more/],
  ])('%s after the update: taken back', async (what, text, message) => {
    await using world = await openWorld()
    const web = await container(world)
    if (text) units(web.root, text)
    else {
      writeFileSync(join(web.root, 'usr/local/bin/ip'), '#!/bin/sh\n[ -e /etc/changed ] || echo inet\n')
      chmodSync(join(web.root, 'usr/local/bin/ip'), 0o755)
    }
    await using agent = world.agent()
    const result = await world.result(world.order({ vmid: 101, snapshot: true, script: changing(0) }))
    expect(result, `${what} ${agent.output}`).toMatchObject({ status: 'failed', outcome: 'rolled_back' })
    expect(result.exit_code).toBeUndefined()
    expect(result.error_message).toMatch(message)
    expect(changed(web)).toBe(false)
    expect(world.left(web.root)).toEqual([])
  })

  test('harmed without a snapshot: failed, and said', async () => {
    await using world = await openWorld()
    const web = await container(world)
    units(web.root, `[ -e /etc/changed ] && echo b.service; exit 0`)
    await using _agent = world.agent()
    const result = await world.result(world.order({ vmid: 101, script: changing(0) }))
    expect(result).toMatchObject({ status: 'failed' })
    expect(result.error_message).toMatch(/1 of its units have failed.*There is no snapshot/)
  })

  test('as unwell as before is well, and so is what takes a moment', async () => {
    await using world = await openWorld()
    const web = await container(world)
    units(
      web.root,
      'echo a.service; [ ! -e /etc/changed ] || [ -e /run/again ] || { touch /run/again; echo b.service; }',
    )
    await using _agent = world.agent({ healthMs: 10_000 })
    const result = await world.result(world.order({ vmid: 101, snapshot: true, script: changing(0) }))
    expect(result).toMatchObject({ exit_code: '0' })
  })

  test('no snapshots there: goes on where none was asked for by name, else not', async () => {
    await using world = await openWorld()
    const web = await container(world, { canSnapshot: false })
    await using _agent = world.agent()
    const by = world.order({ vmid: 101, snapshot: true, script: changing(0) })
    const refused = await world.result(by)
    expect(refused).toMatchObject({ status: 'failed', outcome: 'not_started' })
    expect(refused.error_message).toContain('snapshot feature is not available')
    expect(changed(web)).toBe(false)
    const row = world.order({ vmid: 101, snapshot: true, snapshot_optional: true, script: changing(0) })
    const result = await world.result(row)
    expect(result).toMatchObject({ exit_code: '0' })
    expect(result.stderr_file).toContain('Its storage has no snapshots; it is updated without one')
    expect(changed(web)).toBe(true)
  })

  test('a snapshot that fails otherwise is no reason to go on without', async () => {
    await using world = await openWorld()
    const web = await container(world)
    world.cluster.fail({ tool: 'pct snapshot', stderr: 'out of space\n' })
    await using _agent = world.agent()
    const row = world.order({ vmid: 101, snapshot: true, snapshot_optional: true, script: changing(0) })
    const result = await world.result(row)
    expect(result).toMatchObject({ outcome: 'not_started' })
    expect(result.error_message).toContain('out of space')
    expect(changed(web)).toBe(false)
  })

  test('the push fails: not started, the snapshot and the folder are gone', async () => {
    await using world = await openWorld()
    const web = await container(world)
    world.cluster.fail({ tool: 'pct push', stderr: 'failed to create file: No space left on device\n' })
    await using _agent = world.agent()
    const result = await world.result(world.order({ vmid: 101, snapshot: true, script: changing(0) }))
    expect(result).toMatchObject({ status: 'failed', outcome: 'not_started' })
    expect(result.error_message).toMatch(/Container 101 \(web\).*No space left on device.*Nothing was run\./)
    expect(web.guest().snapshots).toEqual([])
    expect(changed(web)).toBe(false)
    expect(world.left(web.root)).toEqual([])
  })

  test('pct exec itself fails: not started, whatever its code', async () => {
    await using world = await openWorld()
    const web = await container(world)
    world.cluster.fail({ tool: 'pct exec 101 -- /usr/bin/env', exit: 1, stderr: 'lxc-attach: 101: no\n' })
    await using _agent = world.agent()
    const result = await world.result(world.order({ vmid: 101, snapshot: true, script: changing(0) }))
    expect(result).toMatchObject({ outcome: 'not_started' })
    expect(result.error_message).toContain('pct exec ended with 1: lxc-attach: 101: no')
    expect(web.guest().snapshots).toEqual([])
    expect(world.left(web.root)).toEqual([])
  })

  test('it takes too long: stopped inside with all it has started, removed, taken back', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent()
    const script = changing(0, 'trap "" TERM; setsid sleep 300 & sleep 300 & wait; wait; sleep 300')
    const row = world.order({ vmid: 101, snapshot: true, timeout_seconds: 2, script })
    const result = await world.result(row)
    expect(result, agent.output).toMatchObject({ status: 'failed', outcome: 'rolled_back' })
    expect(result.error_message).toContain('ran longer than it may')
    expect(changed(web)).toBe(false)
    expect(world.left(web.root)).toEqual([])
  })

  test('a dry run that does not listen is killed inside, with all that it has started', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent()
    const script =
      '#!/bin/sh\ntrap "" TERM\nsetsid sleep 300 &\nsleep 300 &\nwhile :; do wait; sleep 1; done\n'
    const row = world.order({ vmid: 101, mode: 'dry-run', timeout_seconds: 1, script })
    expect(await world.result(row), agent.output).toMatchObject({ status: 'failed', outcome: 'timeout' })
    expect(web.guest().status).toBe('running')
    expect(world.left(web.root)).toEqual([])
  })

  test('pct exec hangs: stopped after the time, removed, taken back', async () => {
    await using world = await openWorld()
    const web = await container(world)
    world.cluster.fail({ tool: 'pct exec 101 -- /usr/bin/env', hang: true })
    await using agent = world.agent()
    const row = world.order({ vmid: 101, snapshot: true, timeout_seconds: 1, script: changing(0) })
    expect(await world.result(row), agent.output).toMatchObject({ status: 'failed', outcome: 'rolled_back' })
    const pct = world.cluster.calls().find(({ args }) => args.includes('/usr/bin/env'))
    expect(existsSync(`/proc/${pct?.pid}`)).toBe(false)
    expect(world.left(web.root)).toEqual([])
  })

  test('pct push hangs: ended after its time, not started, cleared up', async () => {
    await using world = await openWorld()
    const web = await container(world)
    world.cluster.fail({ tool: 'pct push', hang: true })
    await using agent = world.agent({ pctMs: 4_000 })
    const result = await world.result(world.order({ vmid: 101, snapshot: true, script: changing(0) }))
    expect(result, agent.output).toMatchObject({ status: 'failed', outcome: 'not_started' })
    expect(result.error_message).toContain('pct push had not ended after 4000 ms')
    const pct = world.cluster.calls().find(({ args }) => args[0] === 'push')
    expect(existsSync(`/proc/${pct?.pid}`)).toBe(false)
    expect(web.guest().snapshots).toEqual([])
    expect(world.left(web.root)).toEqual([])
  })

  test('the container is started anew in the middle: taken back, as nobody knows how far it came', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent()
    // A number that scripts have for: nothing was done.
    world.cluster.fail({ tool: 'pct exec 101 -- /usr/bin/env', after: true, exit: 1 })
    const row = world.order({ vmid: 101, snapshot: true, script: changing(0, 'echo begun; sleep 60') })
    await expect.poll(() => changed(web), { timeout: 20_000 }).toBe(true)
    world.cluster.migrate(101, 'pve1')
    const result = await world.result(row)
    expect(result, agent.output).toMatchObject({ status: 'failed', outcome: 'rolled_back' })
    expect(result.error_message).toContain('How far the script has come cannot be told.')
    expect(changed(web)).toBe(false)
    expect(web.guest().status).toBe('running')
    expect(world.left(web.root)).toEqual([])
  })

  test('the container goes down in the middle: taken back, and started again', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent()
    const row = world.order({ vmid: 101, snapshot: true, script: changing(0, 'sleep 60') })
    await expect.poll(() => changed(web), { timeout: 20_000 }).toBe(true)
    // As it may end where the container goes away below it.
    world.cluster.edit(({ guests }) => {
      for (const guest of guests) guest.status = 'stopped'
    })
    const pct = world.cluster.calls().findLast(({ args }) => args.includes('/usr/bin/env'))
    process.kill(pct?.pid ?? 0, 'SIGKILL')
    expect(await world.result(row), agent.output).toMatchObject({ outcome: 'rolled_back' })
    expect(changed(web)).toBe(false)
    expect(web.guest().status).toBe('running')
    expect(world.left(web.root)).toEqual([])
  })

  test('every question hangs: not started, and the next operation comes', async () => {
    await using world = await openWorld()
    await container(world)
    await container(world, { vmid: 102, name: 'db' })
    world.cluster.fail({ tool: 'pct exec 101', hang: true, times: -1 })
    await using _agent = world.agent({ pctMs: 1_000 })
    const hung = world.order({ vmid: 101, script: changing(0) })
    const other = world.order({ vmid: 102, mode: 'dry-run', script: '#!/bin/sh\nexit 2\n' })
    expect(await world.result(hung)).toMatchObject({ status: 'failed', outcome: 'not_started' })
    expect(await world.result(other)).toBeDefined()
  })

  test('cancelled before the script: nothing is run, and the container is as it was', async () => {
    await using world = await openWorld()
    const web = await container(world, { status: 'stopped' })
    await using agent = world.agent({ lockWaitMs: 60_000 })
    world.cluster.fail({ tool: 'pct push', times: -1, stderr: 'CT is locked (disk)\n' })
    const row = world.order({ vmid: 101, snapshot: true, start_stopped: true, script: changing(0) })
    await world.called('pct push')
    row.cancel_requested_at = new Date().toISOString()
    world.server.ring(row)
    expect(await world.result(row), agent.output).toMatchObject({ status: 'cancelled' })
    expect(changed(web)).toBe(false)
    expect(web.guest()).toMatchObject({ status: 'stopped', snapshots: [] })
    expect(world.left(web.root)).toEqual([])
  })

  test('cancelled without a snapshot: the script is asked first, and nothing of it lives', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent()
    const script = changing(0, 'trap "echo asked; exit 108" TERM; sleep 300 & setsid sleep 300 & wait')
    const row = world.order({ vmid: 101, script })
    await agent.says(/The script runs/)
    await expect.poll(() => changed(web)).toBe(true)
    row.cancel_requested_at = new Date().toISOString()
    world.server.ring(row)
    const result = await world.result(row)
    expect(result).toMatchObject({ status: 'cancelled', stdout_file: 'asked\n' })
    expect(world.left(web.root)).toEqual([])
  })

  test('a transaction that ends while it is cancelled is what counts', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent({ applyGraceMs: 20_000 })
    const script = changing(
      0,
      'trap "told=1" TERM; until [ "$told" ]; do sleep 0.1; done; sleep 1; echo done',
    )
    const row = world.order({ vmid: 101, snapshot: true, script })
    await agent.says(/The script runs/)
    await expect.poll(() => changed(web)).toBe(true)
    row.cancel_requested_at = new Date().toISOString()
    world.server.ring(row)
    expect(await world.result(row)).toMatchObject({ exit_code: '0', stdout_file: 'done\n' })
    expect(changed(web)).toBe(true)
  })

  test('stopped: left alone; with start_stopped it is started for this, and stopped again', async () => {
    await using world = await openWorld()
    const web = await container(world, { status: 'stopped' })
    await using agent = world.agent()
    const left = await world.result(world.order({ vmid: 101, script: changing(0) }))
    expect(left).toMatchObject({ status: 'failed', outcome: 'not_started' })
    expect(left.error_message).toBe(
      'Container 101 (web) is stopped; it was left alone. Order with start_stopped to have it started for this.',
    )
    expect(world.steps()).toEqual([])
    for (const code of [0, 104]) {
      const row = world.order({ vmid: 101, snapshot: true, start_stopped: true, script: changing(code) })
      const result = await world.result(row)
      expect(result, agent.output).toMatchObject({ exit_code: `${code}` })
      expect(changed(web)).toBe(true)
      expect(web.guest().status).toBe('stopped')
      expect(world.left(web.root)).toEqual([])
    }
  })

  test('started for this, and the script is not for what it is: refused, stopped again', async () => {
    await using world = await openWorld()
    const web = await container(world, { status: 'stopped' })
    await using _agent = world.agent()
    const row = world.order({ vmid: 101, start_stopped: true, family: 'arch', script: changing(0) })
    const result = await world.result(row)
    expect(result).toMatchObject({ outcome: 'bad_signature' })
    expect(result.error_message).toContain('is signed for the family arch, and Container 101 (web) is debian')
    expect(web.guest().status).toBe('stopped')
    expect(changed(web)).toBe(false)
  })

  test('it does not start, or gets no address: not started, and stopped again', async () => {
    await using world = await openWorld()
    const web = await container(world, { status: 'stopped', failStarts: 1 })
    await using _agent = world.agent({ containerStartMs: 1_000 })
    const order = () => world.order({ vmid: 101, start_stopped: true, script: changing(0) })
    const failed = await world.result(order())
    expect(failed).toMatchObject({ outcome: 'not_started' })
    expect(failed.error_message).toContain("startup for container '101' failed")
    web.edit((guest) => {
      guest.network = false
    })
    const alone = await world.result(order())
    expect(alone).toMatchObject({ outcome: 'not_started' })
    expect(alone.error_message).toContain('was started and has no address after 1 seconds')
    expect(web.guest().status).toBe('stopped')
  })

  test('a script for another family, and one whose shell is missing, are refused before anything is done', async () => {
    await using world = await openWorld()
    await container(world)
    await using _agent = world.agent()
    const other = await world.result(world.order({ vmid: 101, family: 'rhel', script: changing(0) }))
    expect(other).toMatchObject({ status: 'failed', outcome: 'bad_signature' })
    expect(other.error_message).toContain('Container 101 (web) is debian')
    const shell = await world.result(world.order({ vmid: 101, script: '#!/usr/bin/env no-such-shell\n' }))
    expect(shell).toMatchObject({ status: 'failed', outcome: 'not_started' })
    expect(shell.error_message).toContain(
      'Container 101 (web) has no no-such-shell, which its patch script is written for',
    )
    expect(world.steps()).toEqual([])
  })

  test('not quorate: nothing is changed, in containers or on the node; a dry run does no harm', async () => {
    await using world = await openWorld()
    const web = await container(world)
    world.cluster.setQuorate(false)
    await using _agent = world.agent()
    for (const vmid of [101, 0]) {
      const row = world.order({
        vmid,
        lxc_id: vmid ? 'lxc' : '',
        script: `#!/bin/sh\ntouch ${web.folder}/ran\n`,
      })
      const result = await world.result(row)
      expect(result).toMatchObject({ status: 'failed', outcome: 'not_started' })
      expect(result.error_message).toContain('not quorate')
    }
    expect(existsSync(join(web.folder, 'ran'))).toBe(false)
    const dry = world.order({ vmid: 101, mode: 'dry-run', script: '#!/bin/sh\nexit 2\n' })
    expect(await world.result(dry)).toMatchObject({ exit_code: '2' })
  })

  test('the quorum is lost before the snapshot: not started, with the reason', async () => {
    await using world = await openWorld()
    await container(world)
    await using _agent = world.agent()
    world.cluster.fail({ tool: 'pct snapshot', stderr: 'cluster not ready - no quorum?\n' })
    const result = await world.result(
      world.order({ vmid: 101, snapshot: true, snapshot_optional: true, script: changing(0) }),
    )
    expect(result).toMatchObject({ outcome: 'not_started' })
    expect(result.error_message).toContain('no quorum')
  })

  test('the quorum is lost while it runs: taken back once it is there again', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await using agent = world.agent({ settleMs: 60_000 })
    const row = world.order({ vmid: 101, snapshot: true, script: changing(104, 'sleep 2') })
    await agent.says(/The script runs/)
    world.cluster.setQuorate(false)
    await agent.says(/could not be put right/)
    expect(world.server.result(row.id)).toBeUndefined()
    world.cluster.setQuorate(true)
    expect(await world.result(row)).toMatchObject({ outcome: 'rolled_back' })
    expect(changed(web)).toBe(false)
    expect(web.guest().status).toBe('running')
  })

  test('locked by a backup: others come first; then it goes on, or says who had it', async () => {
    await using world = await openWorld()
    const web = await container(world)
    await container(world, { vmid: 102, name: 'db' })
    web.edit((guest) => {
      guest.config.lock = 'backup'
    })
    await using _agent = world.agent({ lockWaitMs: 60_000 })
    const row = world.order({ vmid: 101, snapshot: true, script: changing(0) })
    await world.called('pct config 101')
    const other = world.order({ vmid: 102, script: changing(0) })
    expect(await world.result(other)).toMatchObject({ exit_code: '0' })
    expect(row.status).toBe('pending')
    web.edit((guest) => {
      delete guest.config.lock
    })
    expect(await world.result(row)).toMatchObject({ exit_code: '0' })
  })

  test('locked for too long: not started', async () => {
    await using world = await openWorld()
    await container(world, { config: { lock: 'backup' } })
    await using _agent = world.agent({ lockWaitMs: 500 })
    const result = await world.result(world.order({ vmid: 101, snapshot: true, script: changing(0) }))
    expect(result).toMatchObject({ outcome: 'not_started' })
    expect(result.error_message).toContain('Container 101 (web) is locked (backup)')
  })

  test('locked between the claim and the snapshot: waited for', async () => {
    await using world = await openWorld()
    await container(world)
    await using _agent = world.agent({ lockWaitMs: 20_000 })
    world.cluster.fail({ tool: 'pct snapshot', times: 2, stderr: 'CT is locked (backup)\n' })
    const result = await world.result(world.order({ vmid: 101, snapshot: true, script: changing(0) }))
    expect(result).toMatchObject({ exit_code: '0' })
    expect(result.stderr_file).toContain('It is locked (backup); waiting')
  })

  test('a container that is not there, and numbers that are none', async () => {
    await using world = await openWorld()
    await using _agent = world.agent()
    const gone = await world.result(world.order({ vmid: 999, script: changing(0) }))
    expect(gone).toMatchObject({ status: 'failed', outcome: 'not_started' })
    expect(gone.error_message).toContain("999.conf' does not exist")
    for (const vmid of [0, 1, -5, 1.5, '101; reboot', '--help']) {
      const result = await world.result(world.order({ vmid, script: changing(0) }))
      expect(result, `${vmid}`).toMatchObject({ status: 'failed', outcome: 'not_started' })
      expect(result.error_message).toContain("is no container's number")
    }
  })

  test('a hostile container decides nothing outside of it', async () => {
    await using world = await openWorld()
    const web = await container(world)
    // What it says of itself, and a flood where a short answer is expected.
    writeFileSync(join(web.root, 'usr/local/bin/ip'), '#!/bin/sh\nyes inet\n')
    chmodSync(join(web.root, 'usr/local/bin/ip'), 0o755)
    await using _agent = world.agent({ pctMs: 3_000 })
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
    const row = world.order({ vmid: 101, script: '#!/bin/sh\necho -1 >"${0%/*}/pid"; exit 0\n' })
    const result = await world.result(row)
    expect(result.error_message ?? result.exit_code).toBeDefined()
    expect(world.left(web.root)).toEqual([])
  })

  test("the host's policy is its containers'", async () => {
    await using world = await openWorld()
    const web = await container(world)
    const policy = join(world.state.folder, 'policy.json')
    writeFileSync(policy, '{"mode":"dry-run-only"}', { mode: 0o644 })
    await using _agent = world.agent({}, ['--policy', policy])
    const result = await world.result(world.order({ vmid: 101, script: changing(0) }))
    expect(result).toMatchObject({ outcome: 'not_started' })
    expect(result.error_message).toContain('dry-run-only')
    expect(changed(web)).toBe(false)
  })

  test('the lease is renewed from the first step on', async () => {
    await using world = await openWorld()
    await container(world)
    await using _agent = world.agent({ renewMs: 100 })
    const row = world.order({ vmid: 101, snapshot: true, script: changing(0) })
    await world.called('pct snapshot')
    const before = world.server.requests('PATCH', /records/).length
    await world.called('pct push')
    expect(world.server.requests('PATCH', /records/).length).toBeGreaterThan(before)
    expect(await world.result(row)).toMatchObject({ exit_code: '0' })
  })
})
