import { packageExceptions } from '../collections/package-exceptions.ts'
import type { RecordOf } from '../core/collection.ts'
import { Conflict } from '../core/errors.ts'
import { hooksFor, type WriteEvent } from '../core/hooks.ts'
import { findAll } from '../core/records/read.ts'
import { NAMES_LENGTH_MAX } from './operations/exclusions.ts'
import { claimTarget } from './ownership.ts'
import { refuseUnreadable } from './unreadable.ts'

/** All of a target's exceptions go to its script in one argument, and an argument has its limits. */
const PER_TARGET_MAX = 500

/** Also on an update: an exception may be moved, but only to a machine of one's own. */
async function write(event: WriteEvent<RecordOf<typeof packageExceptions>>, next: () => Promise<void>) {
  await claimTarget(event)
  refuseUnreadable(event, ['expires_at', 'is_active'])
  await refuseCrowd(event)
  return next()
}

async function refuseCrowd({
  database,
  record,
}: WriteEvent<RecordOf<typeof packageExceptions>>): Promise<void> {
  if (!record.is_active) return
  const others = await findAll(
    database,
    packageExceptions,
    `($2 <> '' or "agent_id" = $1) and "lxc_id" = $2 and "is_active" and "id" <> $3 limit ${PER_TARGET_MAX}`,
    [record.agent_id, record.lxc_id, record.id],
  )
  const names = [record, ...others].map(({ package_name }) => package_name)
  if (names.length > PER_TARGET_MAX || names.join().length > NAMES_LENGTH_MAX)
    throw new Conflict(
      `The target may have ${PER_TARGET_MAX} active exceptions with ${NAMES_LENGTH_MAX} characters, and would have more; delete some, or use "*" in a name.`,
    )
}

export default hooksFor(packageExceptions, { create: write, update: write })
