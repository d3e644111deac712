import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import { AgentProcess, stateFolder } from '../support/agent-process.ts'
import { StandIn } from '../support/stand-in-server.ts'

const PAGE = 4096

/** A state folder whose journal is on a small disk of its own, with ways to fill and to free that. */
const smallDisk = (server: StandIn, context: TestContext) => {
  const state = stateFolder(server.url)
  onTestFinished(() => state[Symbol.dispose]())
  const jobs = join(state.folder, 'jobs')
  mkdirSync(jobs)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'tmpfs', jobs])
  context.skip(mounted.status !== 0, 'needs to mount a small disk, which only root may do')
  onTestFinished(() => void execFileSync('umount', ['--lazy', jobs]))
  const filler = join(jobs, 'filler')
  return {
    ...state,
    fill: `dd if=/dev/zero of=${filler} bs=${PAGE} 2>/dev/null`,
    /** Leaves `pages` pages. */
    fillButFor(pages: number) {
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, `bs=${PAGE}`])
      truncateSync(filler, readFileSync(filler).length - pages * PAGE)
    },
    free: () => rmSync(filler),
  }
}

const childrenOf = ({ child }: AgentProcess) =>
  readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim()

test('the script fills the disk: its exit code arrives once there is space again', async (context) => {
  await using server = await StandIn.start()
  const disk = smallDisk(server, context)
  await using agent = new AgentProcess(['run', '--state-dir', disk.folder])
  const row = server.order(`${disk.fill}; exit 100`, { mode: 'apply' })
  await agent.says(/A job could not be settled now.*ENOSPC/)
  expect(server.results).toEqual([])
  disk.free()
  expect(await server.resultOf(row.id)).toMatchObject({ exit_code: '100' })
  const next = server.order('echo next')
  expect(await server.resultOf(next.id)).toMatchObject({ stdout_file: 'next\n' })
})

test('a script that is cancelled on a full disk is stopped all the same', async (context) => {
  await using server = await StandIn.start()
  const disk = smallDisk(server, context)
  await using agent = new AgentProcess(['run', '--state-dir', disk.folder])
  const row = server.order(`${disk.fill}; echo full >&2; exec sleep 300`)
  await agent.says(/The script runs/)
  const filled = () => spawnSync('df', ['--output=avail', join(disk.folder, 'jobs')], { encoding: 'utf8' })
  while (!/\n\s*0\n/.test(filled().stdout)) await server.until('time', () => true)
  row.cancel_requested_at = new Date().toISOString()
  await agent.says(/A job could not be settled now.*ENOSPC/)
  expect(childrenOf(agent)).toBe('')
  disk.free()
  await server.resultOf(row.id)
})

test('no space to write down who runs: the script never starts, and that is reported', async (context) => {
  await using server = await StandIn.start()
  const disk = smallDisk(server, context)
  const ran = join(disk.folder, 'ran')
  let filled = false
  server.after = ({ method }) => {
    // Enough for the next state of the job, and gone with the place for the exit code.
    if (method === 'PATCH' && !filled) disk.fillButFor(1)
    filled ||= method === 'PATCH'
    return undefined
  }
  await using agent = new AgentProcess(['run', '--state-dir', disk.folder])
  const row = server.order(`touch ${ran}`, { mode: 'apply' })
  await agent.says(/A job could not be settled now.*ENOSPC/)
  expect(childrenOf(agent)).toBe('')
  disk.free()
  expect(await server.resultOf(row.id)).toMatchObject({ status: 'failed', outcome: 'not_started' })
  expect(existsSync(ran)).toBe(false)
})
