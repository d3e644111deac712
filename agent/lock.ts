import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { AgentError } from './errors.ts'
import { bootId, readStat } from './process.ts'
import { readText } from './state.ts'

const Holder = z.object({ pid: z.number(), startTime: z.string(), bootId: z.string() })

/** The process that holds the folder, or undefined where nobody living does. */
export const lockHolder = (file: string): number | undefined => {
  const parsed = Holder.safeParse(JSON.parse(readText(file) || 'null'))
  if (!parsed.success || parsed.data.bootId !== bootId()) return undefined
  const { pid, startTime } = parsed.data
  return readStat(pid)?.startTime === startTime ? pid : undefined
}

/** Takes the folder for this process; two agents in one folder would run everything twice. Returns the release. */
export const takeLock = (file: string): (() => void) => {
  const holder = lockHolder(file)
  if (holder !== undefined)
    throw new AgentError(`Another agent (process ${holder}) works in this state folder; stop it first.`)
  rmSync(file, { force: true })
  let fd: number
  try {
    fd = openSync(file, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new AgentError('Another agent is starting in this state folder; stop it first.')
  }
  const startTime = readStat(process.pid)?.startTime ?? ''
  writeFileSync(fd, JSON.stringify({ pid: process.pid, startTime, bootId: bootId() }))
  closeSync(fd)
  return () => rmSync(file, { force: true })
}
