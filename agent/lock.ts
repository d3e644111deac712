import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from './backoff.ts'
import { AgentError } from './errors.ts'
import { bootId, readStat } from './process.ts'
import { ensureFolder, readText } from './state.ts'

/**
 * Every process that wants the state folder puts a file here that only it can have made, and looks only then who
 * else is there: of two, at least one sees the other. A file of the dead is of nobody's, so removing one that was
 * seen a moment ago cannot hurt the living.
 */
type Claimant = { name: string; pid: number; holds: boolean }

const HOLDS = 'holds'
const POLL_MS = 20
const WAIT_MS = 5_000

const nameOf = (pid: number) => `${pid}.${readStat(pid)?.startTime}.${bootId()}`

/** Those who live. */
const claimants = (folder: string): Claimant[] =>
  readdirSync(folder).flatMap((name) => {
    const pid = Number.parseInt(name, 10)
    if (name !== nameOf(pid)) return []
    // Gone since the folder was listed: it has let go.
    const text = readText(join(folder, name))
    return text === undefined ? [] : [{ name, pid, holds: text === HOLDS }]
  })

/** The process that holds the state folder, or undefined where nobody living does. */
export const lockHolder = (folder: string): number | undefined =>
  existsSync(folder) ? claimants(folder).find(({ holds }) => holds)?.pid : undefined

/** Takes the folder for this process; two agents in one folder would run everything twice. Returns the release. */
export const takeLock = async (folder: string): Promise<() => void> => {
  ensureFolder(folder)
  const mine = join(folder, nameOf(process.pid))
  const release = () => rmSync(mine, { force: true })
  writeFileSync(mine, '', { mode: 0o600 })
  try {
    await alone(folder)
    writeFileSync(mine, HOLDS)
  } catch (error) {
    release()
    throw error
  }
  for (const name of readdirSync(folder))
    if (name !== nameOf(Number.parseInt(name, 10))) rmSync(join(folder, name), { force: true })
  return release
}

/** Returns where nobody else is there. Of those who only start, the lowest number waits for the others to give up. */
const alone = async (folder: string) => {
  for (const began = performance.now(); ; await sleep(POLL_MS)) {
    const others = claimants(folder).filter(({ pid }) => pid !== process.pid)
    const holder = others.find(({ holds }) => holds)
    if (holder)
      throw new AgentError(`Another agent (process ${holder.pid}) works in this state folder; stop it first.`)
    if (others.length === 0) return
    const first = others.find(({ pid }) => pid < process.pid)
    const other = first ?? (performance.now() - began > WAIT_MS ? others[0] : undefined)
    if (other)
      throw new AgentError(`Another agent (process ${other.pid}) starts in this state folder; stop it first.`)
  }
}
