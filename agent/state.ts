import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { AgentError } from './errors.ts'
import { StoredKey } from './keys.ts'

/** Who this agent is. Written last at enrolment: where it stands, the folder is enrolled. */
export const Enrolment = z.object({
  server: z.string(),
  agent_id: z.string(),
  machine_id: z.string(),
  dmi_uuid: z.string(),
  /** Public keys that scripts are checked against: those it was registered with, and the server's of that moment. */
  signing_keys: z.array(StoredKey).default([]),
  enrolled_at: z.string(),
})
export type Enrolment = z.infer<typeof Enrolment>

export const defaultStateDir = () =>
  process.getuid?.() === 0
    ? '/var/lib/patchbase-agent'
    : join(homedir(), '.local', 'state', 'patchbase-agent')

export const statePaths = (folder: string) => ({
  folder,
  enrolment: join(folder, 'agent.json'),
  token: join(folder, 'token'),
  /** An enrolment under way; see register.ts. */
  enrolling: join(folder, 'enrolling.json'),
  heartbeat: join(folder, 'heartbeat.json'),
  sequences: join(folder, 'sequences.json'),
  locks: join(folder, 'locks'),
  jobs: join(folder, 'jobs'),
  reboots: join(folder, 'reboots'),
})

/** Makes the folder and takes everybody else's rights to it, also where it stood before. */
export const ensureFolder = (folder: string) => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
}

export const syncFolder = (folder: string) => {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Writes a whole file, mode 0600, so that after a crash either the old or the new one stands, never a half. */
export const writeDurable = (file: string, text: string) => {
  const temporary = `${file}.tmp`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, file)
  syncFolder(dirname(file))
}

export const writeJson = (file: string, value: unknown) =>
  writeDurable(file, `${JSON.stringify(value, null, 2)}\n`)

/** The text of a file, or undefined where there is none. Other failures are thrown. */
export const readText = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** A file of our own as `schema` describes it, or undefined where there is none. */
export const readJson = <T>(file: string, schema: z.ZodType<T>): T | undefined => {
  const text = readText(file)
  if (text === undefined) return undefined
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    throw new AgentError(`${file} cannot be read as what the agent wrote (${(error as Error).message}).`)
  }
}
