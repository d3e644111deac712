import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ContainerPart, ProcessId } from './proxmox/container-part.ts'
import { ensureFolder, readJson, readText, syncFolder, writeJson } from './state.ts'

/**
 * The agent's memory of what it does, one folder per operation: job.json, script, stdout, stderr, exit.
 *
 *   claiming -> starting -> running -> finished -> acknowledged | refused
 *
 * A state is on the disk before what it announces is done, so that after a crash it says what may have happened:
 * claiming: the server may have given us the operation; starting: it has, and nothing ran; running: the script may
 * have run, `exit` says whether it ended; finished: the verdict stands and the server may not know it yet;
 * refused: the server will not take the report; it stays here for the operator.
 */
export const Verdict = z.object({
  /** What the script exited with. Absent where it did not end by itself. */
  exitCode: z.number().optional(),
  /** Counts where there is no exit code. */
  status: z.enum(['failed', 'cancelled']).optional(),
  outcome: z.string().optional(),
  message: z.string().optional(),
})
export type Verdict = z.infer<typeof Verdict>

export const Stopping = z.enum(['cancelled', 'timeout', 'interrupted', 'flooded'])
export type Stopping = z.infer<typeof Stopping>

const Job = z.object({
  id: z.string(),
  mode: z.string(),
  state: z.enum(['claiming', 'starting', 'running', 'finished', 'acknowledged', 'refused']),
  claim: z.string(),
  createdAt: z.string(),
  sha256: z.string().optional(),
  args: z.array(z.string()).optional(),
  process: ProcessId.optional(),
  startedAt: z.string().optional(),
  /** Why the agent ended the script; written before the first signal. */
  stopping: Stopping.optional(),
  /** Where it runs in a container: what of it must be put right however it ends. */
  container: ContainerPart.optional(),
  verdict: Verdict.optional(),
  endedAt: z.string().optional(),
  acknowledgedAt: z.string().optional(),
})
export type Job = z.infer<typeof Job>

/** `step` has what the `pct` command under way has printed, `step-exit` what it exited with. */
export type JobFile = 'script' | 'stdout' | 'stderr' | 'exit' | 'step' | 'step-exit'

const DAY_MS = 86_400_000
const SPOOL_DAYS = 7
const JOB_DAYS = 90

export type Journal = ReturnType<typeof openJournal>

export const openJournal = (folder: string) => {
  ensureFolder(folder)
  const pathOf = (id: string, file: string) => join(folder, id, file)
  const read = (id: string) => readJson(pathOf(id, 'job.json'), Job)
  const folders = () =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))

  return {
    read,
    path: (id: string, file: JobFile) => pathOf(id, file),

    /** Writes the job through to the disk before it returns. */
    save(job: Job): Job {
      mkdirSync(join(folder, job.id), { recursive: true, mode: 0o700 })
      syncFolder(folder)
      writeJson(pathOf(job.id, 'job.json'), job)
      return job
    },

    /** Makes the folder for what is fetched before the claim. */
    prepare(id: string) {
      mkdirSync(join(folder, id), { recursive: true, mode: 0o700 })
    },

    forget(id: string) {
      rmSync(join(folder, id), { recursive: true, force: true })
    },

    /** The exit code the wrapper wrote, or undefined where the script (or the step) did not end by itself. */
    exitCode(id: string, file: 'exit' | 'step-exit' = 'exit'): number | undefined {
      const text = readText(pathOf(id, file))
      return text !== undefined && /^\d{1,3}\n+$/.test(text) ? Number(text) : undefined
    },

    /** All jobs, oldest first. A folder without job.json was given up before its claim. */
    all(): Job[] {
      return folders()
        .flatMap((id) => read(id) ?? [])
        .sort((a, b) => a.createdAt.localeCompare(b.createdAt))
    },

    /** Old spools first, whole jobs much later: an id that was run must not be run again. */
    prune(now: number) {
      for (const id of folders()) {
        const job = read(id)
        if (!job) {
          if (now - statSync(join(folder, id)).mtimeMs > DAY_MS) this.forget(id)
          continue
        }
        if (job.state !== 'acknowledged' && job.state !== 'refused') continue
        const age = now - Date.parse(job.endedAt ?? job.createdAt)
        if (age > JOB_DAYS * DAY_MS) this.forget(id)
        else if (age > SPOOL_DAYS * DAY_MS)
          for (const file of ['script', 'stdout', 'stderr']) rmSync(pathOf(id, file), { force: true })
      }
    },
  }
}
