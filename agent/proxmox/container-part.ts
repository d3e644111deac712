import { z } from 'zod'

export const ProcessId = z.object({ pid: z.number(), startTime: z.string(), bootId: z.string() })

/** How a container is. A part that cannot be asked for inside, because the tools for it are missing, is absent. */
export const Health = z.object({
  running: z.boolean(),
  address: z.boolean().optional(),
  failedUnits: z.number().optional(),
})
export type Health = z.infer<typeof Health>

/**
 * What a job has done to its container, on the disk before it is done. Of each mark it is only sure that it may have
 * happened; what is put right after an interruption asks the container itself.
 */
export const ContainerPart = z.object({
  vmid: z.number(),
  name: z.string(),
  /** It ran before we came. */
  ran: z.boolean(),
  /** We start it for this, and stop it again. */
  started: z.boolean().optional(),
  /** The name of our folder inside, which nobody can guess. */
  folder: z.string(),
  /** Our folder may be there. */
  entered: z.boolean().optional(),
  /** The snapshot of this job. */
  snapshot: z.string().optional(),
  before: Health.optional(),
  /** The `pct` command under way: it outlives the agent. */
  step: ProcessId.optional(),
  /** Its name: `rollback`. */
  stepName: z.string().optional(),
  /** Why it is taken back to the snapshot. */
  undo: z.string().optional(),
  undone: z.boolean().optional(),
  /** The last sure sign of the run, as a time of ISO 8601. */
  lastSign: z.string().optional(),
  /** Why it is not taken back, whatever is wrong with it. */
  late: z.string().optional(),
  /** When putting it right began, as a time of ISO 8601. */
  settlingSince: z.string().optional(),
})
export type ContainerPart = z.infer<typeof ContainerPart>
