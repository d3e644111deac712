import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ensureFolder, readJson, syncFolder, writeJson } from '../state.ts'

/**
 * The agent's memory of reboots, a file for each: <id>.json, and <id>.out with what its command printed.
 *
 *   acknowledging -> acknowledged -> executing -> done
 *                                             \-> failed -> reported
 *
 * A state is on the disk before what it announces is done. acknowledging: the server may believe that we restart;
 * acknowledged: it does, and the command was not given; executing: it may have been; done: restarted; failed: it is
 * not going to happen any more, and the server may not know; reported: it knows, or does not want to. Beyond
 * acknowledging, nothing leads to the command again.
 */
export const Remembered = z.object({
  id: z.string(),
  state: z.enum(['acknowledging', 'acknowledged', 'executing', 'done', 'failed', 'reported']),
  /** The container. Absent: the host. */
  vmid: z.number().optional(),
  timeoutSeconds: z.number(),
  /** The boot in which it was acknowledged. */
  bootId: z.string(),
  createdAt: z.string(),
  acknowledgedAt: z.string().optional(),
  executedAt: z.string().optional(),
  reason: z.string().optional(),
  closedAt: z.string().optional(),
})
export type Remembered = z.infer<typeof Remembered>

const DAYS = 90
const DAY_MS = 86_400_000

export type RebootMemory = ReturnType<typeof openRebootMemory>

export const openRebootMemory = (folder: string) => {
  ensureFolder(folder)
  const path = (id: string, ending: 'json' | 'out') => join(folder, `${id}.${ending}`)
  const read = (id: string) => readJson(path(id, 'json'), Remembered)

  return {
    read,
    /** Where the output of its command goes. */
    output: (id: string) => path(id, 'out'),

    /** Writes it through to the disk before it returns. */
    save(reboot: Remembered): Remembered {
      writeJson(path(reboot.id, 'json'), reboot)
      return reboot
    },

    /** Returns when it is gone from the disk: what could come back would count as a state. */
    forget(id: string) {
      for (const ending of ['json', 'out'] as const) rmSync(path(id, ending), { force: true })
      syncFolder(folder)
    },

    /** Oldest first. */
    all(): Remembered[] {
      return readdirSync(folder)
        .flatMap((name) => (name.endsWith('.json') ? (read(name.slice(0, -'.json'.length)) ?? []) : []))
        .sort((a, b) => a.createdAt.localeCompare(b.createdAt))
    },

    /** Forgets what is long over: for as long a server that was set back cannot have it done again. */
    prune(now: number) {
      for (const { id, state, closedAt = '' } of this.all())
        if ((state === 'done' || state === 'reported') && now - Date.parse(closedAt) > DAYS * DAY_MS)
          this.forget(id)
    },
  }
}
