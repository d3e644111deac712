import { reasonOf } from '../errors.ts'
import type { ContainerJob } from './container-job.ts'
import { askPct } from './pct.ts'
import { runStep } from './step.ts'

export const SNAPSHOTS_KEPT = 3

/** Of both, what is ours is told: anybody may give a snapshot such a name. */
export const snapshotName = (operation: string) => `patchbase-${operation}`
const description = (operation: string) => `Made by Patchbase before operation ${operation}`

export type Snapshot = { name: string; at: string }

/** Ours in what `pct listsnapshot` prints, the oldest first: `-> name  2026-11-20 10:00:00  description`. */
export const ourSnapshots = (listed: string): Snapshot[] =>
  listed
    .split('\n')
    .flatMap((line) => {
      const found = /(?:^|\s)patchbase-([a-z0-9]{15})\s+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\s+(.*?)\s*$/.exec(
        line,
      )
      const [, operation, at, said] = found ?? []
      return operation && at && said === description(operation) ? [{ name: snapshotName(operation), at }] : []
    })
    .sort((a, b) => a.at.localeCompare(b.at))

/** Those that are no longer kept. `own` is kept in any case: the clock may have been set back. */
export const outdated = (snapshots: readonly Snapshot[], own: string): Snapshot[] => {
  const others = snapshots.filter(({ name }) => name !== own)
  return others.slice(0, Math.max(0, others.length - (SNAPSHOTS_KEPT - 1)))
}

const listOurs = async ({ context, part }: ContainerJob) =>
  ourSnapshots(await askPct(context, ['listsnapshot', `${part.vmid}`]))

export const makeSnapshot = async (at: ContainerJob): Promise<void> => {
  const name = snapshotName(at.job.id)
  at.save({ snapshot: name })
  await runStep(at, ['snapshot', `${at.part.vmid}`, name, '--description', description(at.job.id)])
}

/** What `pct` says where a volume of the container lies on a storage that has no snapshots. */
export const isUnsupported = (error: Error) => /snapshot feature is not available/i.test(error.message)

/** Deletes the job's own snapshot, where there is one: nothing was changed since. */
export const dropSnapshot = async (at: ContainerJob): Promise<void> => {
  const { vmid, snapshot } = at.part
  if (!snapshot) return
  const ours = await listOurs(at)
  if (ours.some(({ name }) => name === snapshot)) await runStep(at, ['delsnapshot', `${vmid}`, snapshot])
  at.save({ snapshot: undefined })
}

/** Deletes our old ones. That it does not succeed harms nobody today. */
export const pruneSnapshots = async (at: ContainerJob): Promise<void> => {
  const { vmid, snapshot } = at.part
  if (!snapshot) return
  try {
    for (const { name } of outdated(await listOurs(at), snapshot))
      await runStep(at, ['delsnapshot', `${vmid}`, name])
  } catch (error) {
    at.say(`Old snapshots could not all be deleted: ${reasonOf(error)}`)
    at.context.log.warn('Old snapshots could not all be deleted.', {
      id: at.job.id,
      vmid,
      reason: reasonOf(error),
    })
  }
}
