import { randomUUID } from 'node:crypto'
import { claimOperation, type Permit } from './claim.ts'
import type { Context } from './context.ts'
import { reasonOf } from './errors.ts'
import { trustFor } from './guard.ts'
import type { Job } from './journal.ts'
import { keepLease } from './lease.ts'
import { containerOf, type Operation, type Refusal, scriptArguments } from './operation-record.ts'
import { runInContainer } from './proxmox/container.ts'
import { type Looked, lookAt, refusedInterpreter } from './proxmox/look.ts'
import { refusedByQuorum } from './proxmox/quorum.ts'
import { fetchScript } from './script.ts'
import type { Manifest } from './script-signature.ts'
import { failed, finish, notStarted, verdictOf } from './verdict.ts'
import { watchScript } from './watch.ts'

/** A job with a verdict to report, a time to come back after, or nothing more to do. */
export type Ended = { finished: Job } | { retryAfterMs: number } | 'over'

/** By which manifest the script may run, and in which container; or why it must not, or not yet. */
type Checked = { manifest: Manifest; looked?: Looked } | { refusal: Refusal } | { retryAfterMs: number }

/**
 * One operation from the list to its verdict. The script is fetched and checked before the claim, because the claim
 * is the permit to start at once; what the server answers to the claim is what runs. Throws where the server could
 * not be asked; calling it again goes on with the same claim.
 */
export const runOperation = async (
  context: Context,
  listed: Operation,
  halt: AbortController,
): Promise<Ended> => {
  const { journal, log, stop } = context
  const { id, mode } = listed
  journal.prepare(id)
  const checked = await check(context, listed)
  if (stop.aborted) return 'over'
  if ('retryAfterMs' in checked) return checked

  const job =
    journal.read(id) ??
    journal.save({ id, mode, state: 'claiming', claim: randomUUID(), createdAt: new Date().toISOString() })
  const claimed = await claimOperation(context, job)
  if (!('permit' in claimed)) {
    journal.forget(id)
    if ('retryAfterMs' in claimed) return claimed
    log.info('The operation is not for this agent now.', { id, reason: claimed.lost })
    return 'over'
  }
  if ('refusal' in checked) return { finished: finish(context, job, failed(checked.refusal)) }
  const { operation } = claimed.permit
  const why = changedSince(listed, operation)
  if (why) return { finished: finish(context, job, failed(why)) }
  if (operation.cancel_requested_at) halt.abort('cancelled')
  if (halt.signal.aborted) {
    if (halt.signal.reason === 'interrupted') return 'over'
    return { finished: finish(context, job, verdictOf(halt.signal.reason, undefined)) }
  }
  return runClaimed(context, job, claimed.permit, checked, halt)
}

/** What can be known before the claim: whether the host allows it, what it asks for, whose script it is, and for where. */
const check = async (context: Context, listed: Operation): Promise<Checked> => {
  const allowed = trustFor(context.guard, listed.mode)
  if ('refusal' in allowed) return allowed
  const built = scriptArguments(listed, context.proxmox !== undefined)
  if ('refusal' in built) return built
  const unsafe = await refusedByQuorum(context, listed.mode)
  if (unsafe) return { refusal: unsafe }
  const script = context.journal.path(listed.id, 'script')
  const vmid = containerOf(listed)
  if (vmid === undefined) return fetchScript(context, allowed.trust, listed, script)
  const looked = await lookAt(context, listed, vmid)
  if (!('found' in looked)) return looked
  const guard = { ...context.guard, host: () => looked.host }
  const fetched = await fetchScript({ ...context, guard }, allowed.trust, listed, script)
  if ('refusal' in fetched) return fetched
  const refusal = looked.host && (await refusedInterpreter(context, looked.found, script))
  return refusal ? { refusal } : { ...fetched, looked }
}

const changedSince = (listed: Operation, claimed: Operation): Refusal | undefined => {
  if (containerOf(listed) !== containerOf(claimed))
    return { outcome: 'not_started', message: 'Its target changed while it was claimed. Nothing was run.' }
  if (listed.script_sha256 === claimed.script_sha256) return undefined
  const message = `The script changed while it was claimed: ${listed.script_sha256} was checked, ${claimed.script_sha256} was to run.`
  return { outcome: 'hash_mismatch', message }
}

const runClaimed = async (
  context: Context,
  claimedJob: Job,
  permit: Permit,
  { manifest, looked }: { manifest: Manifest; looked?: Looked },
  halt: AbortController,
): Promise<Ended> => {
  const { guard } = context
  const { operation } = permit
  // Built again from the answer: exclusions may have come or gone since the list.
  const built = scriptArguments(operation, looked !== undefined)
  // Asked again as well: the claim may have taken long, and what the host allows counts when the script starts.
  const allowed = trustFor(guard, operation.mode, manifest.key_id)
  const refused = (refusal: Refusal): Ended => ({ finished: finish(context, claimedJob, failed(refusal)) })
  if ('refusal' in allowed) return refused(allowed.refusal)
  if ('refusal' in built) return refused(built.refusal)
  guard.sequences.keep(manifest)
  if (!looked) return runOnHost(context, claimedJob, permit, built.args, halt)
  const order = { ...looked, job: claimedJob, permit, manifest, args: built.args }
  const finished = await runInContainer(context, order, halt)
  return finished === 'over' ? finished : { finished }
}

const runOnHost = async (
  context: Context,
  claimedJob: Job,
  permit: Permit,
  args: string[],
  halt: AbortController,
): Promise<Ended> => {
  const { journal, scripts, log, timings } = context
  const { operation } = permit
  const { id, script_sha256: sha256 } = operation
  const starting = journal.save({ ...claimedJob, state: 'starting', args, sha256 })
  const [script, stdout, stderr, exit] = (['script', 'stdout', 'stderr', 'exit'] as const).map((file) =>
    journal.path(id, file),
  ) as [string, string, string, string]
  const child = await scripts
    .start({ script, args, stdout, stderr, exit })
    .catch((error: unknown) => reasonOf(error))
  if (typeof child === 'string')
    return { finished: finish(context, starting, notStarted(`The script could not be started: ${child}`)) }

  const startedAt = new Date().toISOString()
  let running: Job
  try {
    running = journal.save({ ...starting, state: 'running', process: child.id, startedAt })
  } catch (error) {
    child.never()
    await child.ended
    throw error
  }
  const age = permit.ageMs()
  if (age > timings.startWithinMs) {
    child.never()
    await child.ended
    const message = `The claim was ${Math.round(age)} ms old when the script was about to start; ${timings.startWithinMs} ms are allowed.`
    return { finished: finish(context, running, notStarted(message)) }
  }
  child.go()
  log.info('The script runs.', { id, mode: operation.mode, args: args.join(' '), pid: child.id.pid })
  using _lease = keepLease(context, running, halt)
  const ended = await watchScript(context, running, operation, { child, halt })
  // Stays `running` on the disk: the next start reports it.
  if (ended.stopping === 'interrupted') return 'over'
  return { finished: finish(context, ended, verdictOf(ended.stopping, journal.exitCode(id))) }
}
