import type { RebootOperation } from '../../collections/reboot-operations.ts'
import type { App } from '../../core/app.ts'
import { Conflict, NotFound } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { systemCaller } from '../../core/records/actor.ts'
import type { Records } from '../../core/records/index.ts'
import { formatTime, parseTime } from '../../core/time.ts'
import { end, targetsOf } from './end.ts'
import { isOpen } from './states.ts'
import { verdictOf } from './verdict.ts'

const ACT = 'settle'

/**
 * Ends a reboot for which there is a proof, and with `since` also one that is too late; leaves any other alone. `since`:
 * from when the server has run without a break in its time.
 */
export async function settleReboot(
  app: App,
  id: string,
  { since, records = app.records }: { since?: Date; records?: Records } = {},
): Promise<void> {
  const body = since ? { since: formatTime(since) } : {}
  try {
    await records.update('reboot_operations', id, { body }, { ...systemCaller, act: ACT })
  } catch (error) {
    if (!(error instanceof Conflict || error instanceof NotFound)) throw error
    app.log.debug({ reboot: id, reason: error.message }, 'A reboot is not settled yet, or was already.')
  }
}

/** For discovery, after it has stored a container whose `pending_reboot_id` is set. */
export const settleContainerReboot = (app: App, { pending_reboot_id }: { pending_reboot_id: string }) =>
  pending_reboot_id === '' ? Promise.resolve() : settleReboot(app, pending_reboot_id)

/** Throws Conflict when nothing has been decided about it. */
export async function settle(event: WriteEvent<RebootOperation>): Promise<void> {
  const { before, body, now } = event
  if (!isOpen(before)) throw new Conflict(`The reboot is already ${before.status}.`)
  const targets = await targetsOf(event)
  const found = { host: targets.host?.record, inside: targets.inside?.record }
  const since = parseTime(typeof body.since === 'string' ? body.since : '')
  const verdict = verdictOf(before, found, { now, since })
  if (!verdict) throw new Conflict(`The reboot is ${before.status}, and nothing proves its end.`)
  end(event, verdict, targets)
}
