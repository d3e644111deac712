import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ProcessId, spawnScript, stopGroup } from '../../../agent/process.ts'
import { stateFolder } from '../../support/agent-process.ts'
import { isRoot } from '../../support/hosts/box.ts'
import { openWorld } from './container-world.ts'

/** Runs lines of sh as a job whose descriptors are pipes. */
const piped = async (folder: string, text: string, keptBytes = 1_000_000) => {
  const [script, stdout, stderr, exit] = ['script', 'stdout', 'stderr', 'exit'].map((file) =>
    join(folder, file),
  ) as [string, string, string, string]
  writeFileSync(script, `#!/bin/sh\n${text}\n`)
  const child = await spawnScript({ script, stdout, stderr, exit, keptBytes, args: ['a b', '$(id)'] })
  child.go()
  const code = () => (existsSync(exit) ? readFileSync(exit, 'utf8').trim() : undefined)
  return { child, code, stdout: () => readFileSync(stdout), stderr: () => readFileSync(stderr, 'utf8') }
}

/** The processes that have an output file below the folder open, but ours. */
const holders = (folder: string) =>
  readdirSync('/proc').filter(
    (pid) =>
      /^\d+$/.test(pid) &&
      Number(pid) !== process.pid &&
      openIn(pid).some((path) => path.startsWith(folder) && /\/(stdout|stderr|step)$/.test(path)),
  )

const openIn = (pid: string): string[] => {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}

const end = (id: ProcessId) => stopGroup(id, 0)

describe('what gets pipes', () => {
  test('both streams are kept to the byte, and each code', async () => {
    using state = stateFolder()
    const bytes = randomBytes(700_001)
    writeFileSync(join(state.folder, 'bytes'), bytes)
    const run = await piped(
      state.folder,
      `cat ${state.folder}/bytes; printf '%s|' "$@" >&2; ls -l /proc/$$/fd >&2; exit 107`,
    )
    await run.child.ended
    expect(createHash('sha256').update(run.stdout()).digest('hex')).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    )
    expect(run.code()).toBe('107')
    expect(run.stderr()).toContain('a b|$(id)|')
    expect(run.stderr()).toMatch(/1 -> (pipe:|.*exit\.pipe)/)
    expect(run.stderr()).not.toMatch(/-> \S*\/(stdout|stderr)$/m)
    expect(readdirSync(state.folder).filter((name) => name.includes('pipe'))).toEqual([])
  })

  test.each([0, 1, 2, 104, 137, 255])('exit code %i', async (code) => {
    using state = stateFolder()
    const run = await piped(state.folder, code === 137 ? 'kill -KILL $$' : `exit ${code}`)
    await run.child.ended
    expect(run.code()).toBe(`${code}`)
  })

  test('more than is kept is cut, in each stream, and what writes on hears of it', async () => {
    using state = stateFolder()
    const run = await piped(state.folder, 'yes >&2; yes; exit 5', 100_000)
    await run.child.ended
    expect(run.stdout()).toHaveLength(100_000)
    expect(run.stderr()).toHaveLength(100_000)
    expect(run.code()).toBe('5')
  })

  test('what is left in the background is not waited for long, and writes no more', async () => {
    using state = stateFolder()
    const began = performance.now()
    const run = await piped(
      state.folder,
      'setsid sh -c "trap : PIPE; while :; do echo x; sleep 0.05; done" & echo "$!"; exit 3',
    )
    await run.child.ended
    expect(performance.now() - began).toBeLessThan(8_000)
    expect(run.code()).toBe('3')
    expect(holders(state.folder)).toEqual([])
    await end(run.child.id)
  })

  test('told to end: what it says then is kept, and its code', async () => {
    using state = stateFolder()
    const run = await piped(
      state.folder,
      'trap "echo last; exit 108" TERM; echo first; while :; do sleep 0.05; done',
    )
    await expect.poll(() => run.stdout().toString()).toBe('first\n')
    await stopGroup(run.child.id, 5_000)
    expect(run.stdout().toString()).toBe('first\nlast\n')
    expect(run.code()).toBe('108')
  })
})

describe.skipIf(!isRoot)('in a container', { timeout: 120_000 }, () => {
  test('a root inside who keeps writing fills nothing of the node once the job is over', async () => {
    await using world = await openWorld()
    const web = await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    await using agent = world.agent()
    // Not of the run, as far as its mark tells, and deaf to a closed pipe.
    const writer = 'trap "" PIPE; while [ ! -e /etc/end ]; do echo y 2>/dev/null; sleep 0.01; done'
    const script = `#!/bin/sh\nenv -i PATH="$PATH" setsid sh -c '${writer}' &\necho done\n`
    const row = world.order({ vmid: 101, mode: 'dry-run', script })
    const result = await world.result(row)
    expect(result, agent.output).toMatchObject({ exit_code: '0' })
    expect(result.stdout_file).toContain('done\n')
    expect(holders(world.state.folder)).toEqual([])
    await web.write('/etc/end', '')
  })

  test('a flood is cut on the node, and an apply that floods is not given half an hour', async () => {
    await using world = await openWorld()
    await world.cluster.container({ vmid: 101, node: 'pve1', family: 'none' })
    await using agent = world.agent({ graceMs: 1_000 })
    const script = `#!/bin/sh\ntrap '' TERM PIPE\nwhile :; do dd if=/dev/zero bs=1M count=400 2>/dev/null || sleep 0.1; done\n`
    const row = world.order({ vmid: 101, script })
    await agent.says(/because=flooded/)
    const file = join(world.state.folder, 'jobs', row.id, 'stdout')
    expect(statSync(file).size).toBeLessThanOrEqual(300 * 1024 * 1024 + 1)
    await agent.says(/The operation has ended/)
    expect(existsSync(file) ? statSync(file).size : 0).toBeLessThanOrEqual(300 * 1024 * 1024 + 1)
  })
})
