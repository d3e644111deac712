import { existsSync } from 'node:fs'
import { z } from 'zod'
import { AgentError, reasonOf } from './errors.ts'
import { type Job, openJournal } from './journal.ts'
import { lockHolder } from './lock.ts'
import { type PolicyPlace, readPolicy } from './policy.ts'
import { openRebootMemory, type Remembered } from './reboot/memory.ts'
import { Enrolment, readJson, statePaths } from './state.ts'
import { keyLines, trustIn } from './trust.ts'

const Heartbeat = z.object({ at: z.string(), version: z.string() })
const JOBS_SHOWN = 20

const resultOf = ({ verdict }: Job) =>
  verdict ? (verdict.outcome ?? verdict.status ?? `exit ${verdict.exitCode}`) : ''

/** Columns as wide as their widest cell. */
const table = (rows: string[][]) => {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

const trustRows = ({ signing_keys }: Enrolment, place: PolicyPlace): string[][] => {
  try {
    const policy = readPolicy(place)
    const { keys, mode } = trustIn(signing_keys)(policy)
    const file = policy.present ? place.file : `no file ${place.file}`
    return [...keyLines(keys).map((line) => ['key', line]), ['policy', `${mode} (${file})`]]
  } catch (error) {
    return [['policy', `every operation is refused: ${reasonOf(error)}`]]
  }
}

const rebootRows = (reboots: Remembered[]): string[][] => [
  ['REBOOT', 'OF', 'STATE', 'RESULT', 'BEGUN'],
  ...reboots.map(({ id, vmid, state, reason = '', createdAt }) => [
    ...[id, vmid === undefined ? 'host' : `container ${vmid}`, state, reason, createdAt],
  ]),
]

/** What the state folder says, as lines of text. The server is not asked. */
export const statusLines = (stateDir: string, policy: PolicyPlace): string[] => {
  const paths = statePaths(stateDir)
  const enrolment = readJson(paths.enrolment, Enrolment)
  if (!enrolment)
    throw new AgentError(
      `${stateDir} holds no enrolment; run "npm run agent -- register --server URL" first.`,
    )
  const holder = lockHolder(paths.locks)
  const beat = readJson(paths.heartbeat, Heartbeat)
  const jobs = existsSync(paths.jobs) ? openJournal(paths.jobs).all().reverse().slice(0, JOBS_SHOWN) : []
  const all = existsSync(paths.reboots) ? openRebootMemory(paths.reboots).all() : []
  const reboots = all.reverse().slice(0, JOBS_SHOWN)
  return [
    ...table([
      ['server', enrolment.server],
      ['agent', enrolment.agent_id],
      ['state folder', stateDir],
      ['process', holder === undefined ? 'not running' : String(holder)],
      ['last heartbeat', beat?.at ?? 'never'],
      ...trustRows(enrolment, policy),
    ]),
    '',
    ...(jobs.length === 0
      ? ['no jobs']
      : table([
          ['JOB', 'MODE', 'STATE', 'RESULT', 'BEGUN'],
          ...jobs.map((job) => [job.id, job.mode, job.state, resultOf(job), job.startedAt ?? job.createdAt]),
        ])),
    ...(reboots.length === 0 ? [] : ['', ...table(rebootRows(reboots))]),
  ]
}
