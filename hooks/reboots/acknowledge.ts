import { type Agent, agents } from '../../collections/agents.ts'
import { patchOperations } from '../../collections/patch-operations.ts'
import type { RebootOperation } from '../../collections/reboot-operations.ts'
import type { StoredRecord } from '../../core/collection.ts'
import { Conflict, NotFound } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { alsoUpdate } from '../../core/records/also-update.ts'
import { readById } from '../../core/records/read.ts'
import { formatTime } from '../../core/time.ts'
import { applyFacts } from '../enrolment/facts.ts'
import { takeTurn } from '../proxmox/turn.ts'
import { refuseBlackout } from '../schedules/refuse-blackout.ts'
import { WITHDRAWN } from '../schedules/withdrawn.ts'
import { begunOn } from './blocker.ts'
import { end, type Targets, targetsOf, type Verdict } from './end.ts'
import { runningGuests } from './guests.ts'
import { startBy } from './states.ts'
import { backBy, notAcknowledged, notReconnected } from './verdict.ts'

type Reboot = WriteEvent<RebootOperation>

const RETRY_MS = 15_000
const BOOT_ID = /^[A-Za-z0-9-]{1,100}$/

/**
 * An agent says that it restarts its host, or a container, now; the answer is its permit. A lost answer costs a repeat
 * and never a second restart. Throws Conflict where nothing is to be restarted: too late, in the way of something
 * (`retry_after_ms`), or over.
 */
export async function acknowledge(event: Reboot, write: () => Promise<void>): Promise<void> {
  const { database, before, now } = event
  const targets = await targetsOf(event)
  const { host } = targets
  if (!host) throw new NotFound()
  const agent = host.record as StoredRecord & Agent
  const boot = bootOf(event, agent)
  if (before.status === 'rebooting') return repeat(event, { targets, boot }, write)
  if (before.status !== 'sent') throw new Conflict(`The reboot is already ${before.status}.`)
  if (now > startBy(before)) return tooLate(event, { targets, verdict: notAcknowledged(before) }, write)
  if (agent.status !== 'active')
    throw new Conflict(`The agent of ${agent.hostname} is ${agent.status}; nothing is restarted.`)
  const begun = await begunOn(database, before, { retry_after_ms: RETRY_MS })
  if (begun) throw begun
  await refuseInBlackout(event)
  refuseWithdrawn(event)
  const isHost = before.lxc_id === ''
  event.record = {
    ...before,
    status: 'rebooting',
    acknowledged_at: formatTime(now),
    boot_id_before: boot,
    guests_before: isHost ? await runningGuests(database, before.agent_id) : null,
  }
  // Under the host's version: the boot that is named is the one it is known to be in when this is written.
  alsoUpdate(event, agents, host, bootChange(agent, boot))
  if (isHost) await takeTurn(event, host.record)
  return write()
}

/** The answer was lost: the same one again, while the restart is still to come. */
async function repeat(
  event: Reboot,
  { targets, boot }: { targets: Targets; boot: string },
  write: () => Promise<void>,
): Promise<void> {
  const { before, now } = event
  event.record = { ...before }
  if (before.boot_id_before !== '' && boot !== '' && boot !== before.boot_id_before)
    throw new Conflict('The host has been restarted since it was acknowledged.')
  if (now > backBy(before, new Date(0))) return tooLate(event, { targets, verdict: notReconnected }, write)
}

/** It is over at this very moment, even if no sweep has come by yet. */
async function tooLate(
  event: Reboot,
  { targets, verdict }: { targets: Targets; verdict: Verdict },
  write: () => Promise<void>,
): Promise<void> {
  end(event, verdict, targets)
  await write()
  throw new Conflict('It is too late for this reboot: its time is over. Nothing is to be restarted.')
}

/** The agent's own word, which no heartbeat may have brought yet; else what is known of it. */
function bootOf({ body }: Reboot, agent: Agent): string {
  const given = body.boot_id
  return typeof given === 'string' && BOOT_ID.test(given) ? given : agent.boot_id
}

function bootChange(agent: Agent, boot_id: string): Partial<Agent> {
  if (boot_id === agent.boot_id) return {}
  const facts = { ...agent }
  applyFacts(facts, { boot_id })
  const { reboot_required, reboot_reason } = facts
  return { boot_id, reboot_required, reboot_reason }
}

/** Also where the schedule is that of the update which it follows. */
async function refuseInBlackout({ database, before, now }: Reboot): Promise<void> {
  const { user_id, not_after, operation_id } = before
  const operation = operation_id ? await readById(database, patchOperations, operation_id) : undefined
  const schedule_id = before.schedule_id || operation?.schedule_id || operation?.fleet_schedule_id || ''
  await refuseBlackout(database, { user_id, schedule_id, not_after }, now)
}

/** Its schedule was switched off or deleted at this very moment. */
function refuseWithdrawn(event: Reboot): void {
  const { schedule_id } = event.before
  if (schedule_id === '') return
  event.require(
    (bind) => `exists (select 1 from "reboot_schedules" where "id" = ${bind(schedule_id)} and "is_active")`,
    () => new Conflict(WITHDRAWN),
  )
}
