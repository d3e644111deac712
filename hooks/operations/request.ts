import { operationLocks } from '../../collections/operation-locks.ts'
import { PACKAGE_NAME } from '../../collections/package-exceptions.ts'
import type { PatchOperation } from '../../collections/patch-operations.ts'
import { BadRequest, Conflict, type FieldErrors } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { findAll } from '../../core/records/read.ts'
import { addSeconds, formatTime } from '../../core/time.ts'
import { claimTarget } from '../ownership.ts'
import { settleContainer } from '../proxmox/container-request.ts'
import { refuseWhileRebooting } from '../reboots/exclude.ts'
import { refuseUnreadable } from '../unreadable.ts'
import { refuseBarred } from './barred.ts'
import { exceptionsFor, merged, NAMES_LENGTH_MAX, scriptArgs } from './exclusions.ts'
import { followedDryRun } from './followed-dry-run.ts'
import { explainLock, takeLock, targetOf } from './lock.ts'
import { refuseOwnId } from './own-id.ts'
import { platformOf, selectScript } from './platform.ts'
import { NOT_AFTER_SECONDS, PENDING_DRY_RUNS_MAX } from './states.ts'

/** Names in one request; exceptions come on top. */
const NAMES_MAX = 500
const NAME_LENGTH_MAX = 255

/** A user asks for an operation: everything an agent needs to carry it out is decided and written here. */
export async function request(event: WriteEvent<PatchOperation>, write: () => Promise<void>): Promise<void> {
  const { app, database, record, now } = event
  const { agent, container } = await claimTarget(event)
  refuseOwnId(event)
  if (!agent) return write()
  refuseBarred(agent, record.mode)
  await refuseWhileRebooting(event, agent, container)
  clearComputed(record)
  if (event.caller.act === 'schedule') applySchedule(event)
  refuseUnreadable(event, ['not_before', 'not_after', 'security_only', 'snapshot', 'start_stopped'])
  await settleContainer(event, container)
  const [platform, kept] = await Promise.all([
    platformOf(database, agent, container),
    exceptionsFor(database, record, now),
  ])
  checkRequest(record, now, platform.family)
  const script = await selectScript(database, platform)
  Object.assign(record, {
    script_id: script.id,
    script_url: `/api/files/scripts/${script.id}/${script.file}`,
    script_sha256: script.sha256,
    requested_exclusions: merged(record.exclusions),
    exclusions: merged(record.exclusions, kept),
    vmid: container?.vmid ?? 0,
    not_after: record.not_after || formatTime(addSeconds(now, NOT_AFTER_SECONDS)),
  })
  record.script_args = scriptArgs(record)
  const target = targetOf(record, container)
  const place = record.mode === 'apply' ? target : await freePlace(event, target)
  takeLock(event, place)
  try {
    await write()
  } catch (error) {
    // The statement has failed, and a transaction with it: asked outside of it.
    throw await explainLock(app.database, error, place)
  }
}

/** Whatever a client has said about how it will end. */
function clearComputed(record: PatchOperation): void {
  Object.assign(record, { status: 'pending', claim: '', stdout_file: '', stderr_file: '' })
}

/** Which due time of which schedule it is for; nobody but the server says so. */
function applySchedule({ record, body }: WriteEvent<PatchOperation>): void {
  for (const field of ['schedule_id', 'fleet_schedule_id', 'scheduled_for'] as const)
    record[field] = typeof body[field] === 'string' ? body[field] : ''
}

function checkRequest(record: PatchOperation, now: Date, family: string): void {
  const errors: FieldErrors = followedDryRun(record)
  for (const field of ['exclusions', 'packages'] as const) {
    if (isBlank(record[field])) record[field] = null
    const names = record[field] === null ? [] : listOf(record[field])
    const wrong = names?.find((name) => !PACKAGE_NAME.test(name) || name.length > NAME_LENGTH_MAX)
    if (!names)
      errors[field] = { code: 'validation_invalid_json', message: 'Must be a list of package names.' }
    else if (names.length > NAMES_MAX || names.join().length > NAMES_LENGTH_MAX)
      errors[field] = {
        code: 'validation_length_too_long',
        message: `At most ${NAMES_MAX} names of ${NAMES_LENGTH_MAX} characters together are accepted.`,
      }
    else if (wrong !== undefined)
      errors[field] = {
        code: 'validation_invalid_value',
        message: `${JSON.stringify(wrong.slice(0, NAME_LENGTH_MAX))} is no package name; "*" may stand for any characters, but not alone.`,
      }
  }
  const unsupported = `${family} cannot do this: its packages are updated together or not at all.`
  if (family === 'arch') {
    if (record.security_only)
      errors.security_only = { code: 'validation_invalid_value', message: unsupported }
    if (listOf(record.packages)?.length)
      errors.packages = { code: 'validation_invalid_value', message: unsupported }
  }
  if (record.not_after !== '') {
    if (record.not_after <= formatTime(now) || record.not_after <= record.not_before)
      errors.not_after = {
        code: 'validation_invalid_value',
        message: 'Must be in the future and after not_before.',
      }
  } else if (record.not_before > formatTime(addSeconds(now, NOT_AFTER_SECONDS)))
    errors.not_after = {
      code: 'validation_required',
      message: 'Needed when not_before is more than a day away.',
    }
  if (Object.keys(errors).length > 0) throw new BadRequest('Failed to create record.', errors)
}

/** How a form says nothing. */
const isBlank = (value: unknown): boolean => value === ''

const listOf = (value: unknown): string[] | undefined =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined

/**
 * Waiting dry runs hold numbered places beside the target's own lock, so that the database itself keeps a fourth
 * one out.
 */
async function freePlace({ database, record }: WriteEvent<PatchOperation>, target: string): Promise<string> {
  const places = Array.from({ length: PENDING_DRY_RUNS_MAX }, (_, at) => `${target}/dry-run/${at + 1}`)
  const taken = await findAll(database, operationLocks, '"agent_id" = $1', [record.agent_id])
  const free = places.find((place) => !taken.some((lock) => lock.target === place))
  if (free) return free
  const first = taken.find((lock) => lock.target === places[0])
  throw new Conflict(
    `${PENDING_DRY_RUNS_MAX} dry runs are already waiting for this target (the first is ${first?.operation}); cancel one or wait.`,
  )
}
