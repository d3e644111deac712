import { z } from 'zod'

/** Every wait of the agent, in milliseconds. Tests shorten them; the numbers here are the protocol's. */
export const Timings = z.strictObject({
  heartbeatMs: z.number().positive().default(30_000),
  /** How often unfinished operations are listed when no event rings. */
  listMs: z.number().positive().default(60_000),
  /** The server's lease is 90 s: two renewals may fail. */
  renewMs: z.number().positive().default(30_000),
  /** A claim permits a start for this long. */
  startWithinMs: z.number().positive().default(10_000),
  /** Between SIGTERM and SIGKILL. */
  graceMs: z.number().nonnegative().default(30_000),
  /** The same where packages may be in the middle of being installed: a kernel on a slow disk takes its time. */
  applyGraceMs: z.number().nonnegative().default(1_800_000),
  /** What a running script is given when the agent itself is asked to stop. */
  stopWaitMs: z.number().nonnegative().default(5_000),
  /** How long reports that are under way are waited for before a restart. */
  reportWaitMs: z.number().nonnegative().default(10_000),
  /** After the command to restart it, the machine has this long to go down, and no other work begins. */
  stillUpMs: z.number().positive().default(600_000),
  /** Between two reports of a container that restarts. */
  guestMs: z.number().positive().default(5_000),
  /** Between two discoveries of what there is on a Proxmox node. */
  discoverMs: z.number().positive().default(300_000),
  /** Between two questions whether a device code was approved. */
  pollMs: z.number().positive().default(4_000),
  requestMs: z.number().positive().default(30_000),
  uploadMs: z.number().positive().default(600_000),
  /** A question to `pct`, or to a container by it. */
  pctMs: z.number().positive().default(60_000),
  /** A `pct` command that changes something: a rollback copies a whole volume on some storages. */
  pctStepMs: z.number().positive().default(1_800_000),
  /** How long another's lock on a container is waited for, and how often it is tried again. */
  lockWaitMs: z.number().nonnegative().default(300_000),
  lockRetryMs: z.number().positive().default(10_000),
  /** Until a container runs and has an address. */
  containerStartMs: z.number().positive().default(120_000),
  /** Until a container is as well as before its update. */
  healthMs: z.number().positive().default(60_000),
  /** Between two looks into a container. */
  containerPollMs: z.number().positive().default(2_000),
  /** What a container that is to be stopped again is given to shut down. */
  shutdownMs: z.number().positive().default(60_000),
  /** How long it is tried to put a container right, before that is left to its administrator. */
  settleMs: z.number().positive().default(900_000),
  /** How old the last sign of an interrupted run may be for its container to be taken back without being asked. */
  rollbackWithinMs: z.number().positive().default(3_600_000),
  backoffBaseMs: z.number().positive().default(1_000),
  backoffMaxMs: z.number().positive().default(60_000),
})
export type Timings = z.infer<typeof Timings>

export const graceFor = (mode: string, { graceMs, applyGraceMs }: Timings) =>
  mode === 'apply' ? applyGraceMs : graceMs

export const backoffOf = (timings: Timings) => ({
  baseMs: timings.backoffBaseMs,
  maxMs: timings.backoffMaxMs,
})
