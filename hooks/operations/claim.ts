import type { PatchOperation } from '../../collections/patch-operations.ts'
import { BadRequest, Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { addSeconds, formatTime, parseTime } from '../../core/time.ts'
import { takePlace } from '../fleet/place.ts'
import { beginAt } from '../proxmox/turn.ts'
import { refuseClaimWhileRebooting } from '../reboots/exclude.ts'
import { refuseBlackout } from '../schedules/refuse-blackout.ts'
import { WITHDRAWN } from '../schedules/withdrawn.ts'
import { exceptionsFor, merged, scriptArgs } from './exclusions.ts'
import { releaseLock } from './lock.ts'
import { isLost, LEASE_SECONDS, MUTABLE_BY_AGENT } from './states.ts'
import { neverBegun } from './told-to-wait.ts'

/**
 * An agent claims a pending operation, or renews its claim. The claim is a name it has already written to disk,
 * so that a lost answer costs a repeat and never a second run. Throws Conflict when the operation is not to be
 * had; `write` is what stores the record.
 */
export async function claim(event: WriteEvent<PatchOperation>, write: () => Promise<void>): Promise<void> {
  const { before, body, now } = event
  const given = claimOf(body)
  event.record = { ...before }
  const mayRenew = before.status === 'running' || isLost(before)
  if (mayRenew && before.claim !== '') {
    if (before.claim !== given) throw new Conflict('The operation was claimed by somebody else.')
    if (isLost(before)) refuseFreed(event)
    event.record.status = 'running'
    event.record.outcome = ''
    event.record.completed_at = ''
    event.record.error_message = ''
    event.record.lease_expires_at = leaseFrom(now)
    return write()
  }
  if (before.status !== 'pending') throw new Conflict(`The operation is ${before.status}.`)
  refuseEarly(before, now)
  const until = parseTime(before.not_after)
  if (until && now > until) {
    expire(event)
    await write()
    throw new Conflict('The operation may not start any more: its time is over. It is now expired.')
  }
  await refuseBlackout(event.database, before, now)
  Object.assign(event.record, {
    status: 'running',
    claim: given,
    started_at: formatTime(now),
    lease_expires_at: leaseFrom(now),
  })
  await refreshExclusions(event)
  refuseWithdrawn(event)
  refuseClaimWhileRebooting(event)
  await beginAt(event)
  // It waits no longer, and dry runs may run beside anything.
  if (before.mode === 'dry-run') releaseLock(event)
  return takePlace(event, write)
}

export const leaseFrom = (now: Date): string => formatTime(addSeconds(now, LEASE_SECONDS))

/** Pending operations end here when their time is over unclaimed. */
export function expire(event: WriteEvent<PatchOperation>): void {
  if (event.before.status !== 'pending') throw new Conflict(`The operation is ${event.before.status}.`)
  event.record = {
    ...event.before,
    status: 'expired',
    completed_at: formatTime(event.now),
    error_message: neverBegun(event.before, 'No agent took the operation before its time was over.'),
  }
  releaseLock(event)
}

function claimOf(body: Readonly<Record<string, unknown>>): string {
  const { status, claim: given } = body
  if (status !== 'running')
    throw new BadRequest('Failed to update record.', {
      status: {
        code: 'validation_invalid_value',
        message: `An agent may only set ${MUTABLE_BY_AGENT}; it reports its results to /api/patches/{id}/result.`,
      },
    })
  if (typeof given !== 'string' || !/^[A-Za-z0-9-]{8,100}$/.test(given))
    throw new BadRequest('Failed to update record.', {
      claim: { code: 'validation_required', message: 'Must be 8 to 100 letters, digits or "-".' },
    })
  return given
}

/** Its target was given to others meanwhile: two at once is what the lock is there to prevent. */
function refuseFreed(event: WriteEvent<PatchOperation>): void {
  if (event.before.mode !== 'apply') return
  event.require(
    (bind) =>
      `exists (select 1 from "operation_locks" where "operation" = ${bind(event.before.id)} for update)`,
    () => new Conflict('The operation was given up and its target freed; only its report is still taken.'),
  )
}

/** Its schedule was switched off or deleted at this very moment. */
function refuseWithdrawn(event: WriteEvent<PatchOperation>): void {
  const { schedule_id, fleet_schedule_id } = event.before
  const [table, id] = schedule_id ? ['patch_schedules', schedule_id] : ['fleet_schedules', fleet_schedule_id]
  if (id === '') return
  event.require(
    (bind) => `exists (select 1 from "${table}" where "id" = ${bind(id)} and "is_active")`,
    () => new Conflict(WITHDRAWN),
  )
}

function refuseEarly({ not_before }: PatchOperation, now: Date): void {
  const from = parseTime(not_before)
  if (!from || now >= from) return
  throw new Conflict(`The operation may not start before ${not_before}.`, {
    retry_after_ms: from.getTime() - now.getTime(),
  })
}

/**
 * What runs is decided at the claim: exceptions that have expired since are out, new ones are in, and what the
 * caller himself asked for stays.
 */
async function refreshExclusions(event: WriteEvent<PatchOperation>): Promise<void> {
  const { database, record, now } = event
  const own = record.requested_exclusions ?? []
  record.exclusions = merged(own, await exceptionsFor(database, record, now))
  record.script_args = scriptArgs(record)
}
