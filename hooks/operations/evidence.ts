import type { PatchOperation } from '../../collections/patch-operations.ts'
import type { ReadResult } from './result.ts'
import type { ResultPackage } from './result-package.ts'

/** A repository that nobody has published to for so long is a mirror that stands still. */
const METADATA_DAYS_MAX = 90
/** The script was stopped by a signal before anything was installed. */
export const EXIT_STOPPED = 108
/** Of a run that began; the other outcomes say that none did, or that nobody knows yet. */
export const OUTCOMES_OF_RUNS = ['', 'interrupted', 'timeout', 'rolled_back']

/**
 * What a report says about its target. `nothing`: there was no run. `unknown`: there was one, and what the target is
 * now cannot be said. `evidence`: every repository was asked, and this is what is left to be updated.
 */
export type Finding =
  | { kind: 'nothing' }
  | { kind: 'unknown' }
  | { kind: 'evidence'; left: Count; applied: Count; scope: 'all' | 'security' | 'some' }

/** Updates, and how many of them are for security: null where the family cannot tell. */
export type Count = { updates: number; security: number | null }

/** What a report says beside its operation; `bootId` '' where no script ran, or the agent does not say in which boot. */
export type Told = { read: ReadResult | undefined; contradictions: readonly string[]; bootId: string }

/** `operation` as the report leaves it; contradictions between it and its result are no evidence. */
export function findingOf(operation: PatchOperation, told: Told): Finding {
  const { read, contradictions } = told
  if (wasKilled(operation, told)) return { kind: 'unknown' }
  if (!wasRun(operation)) return { kind: 'nothing' }
  const evidence = read?.result.evidence
  // What was applied and taken back is not what the result says of it.
  if (
    operation.status !== 'completed' ||
    operation.outcome === 'rolled_back' ||
    !evidence ||
    contradictions.length > 0
  )
    return { kind: 'unknown' }
  const { newest_metadata_age_seconds: age } = evidence
  if (age !== null && age > METADATA_DAYS_MAX * 86_400) return { kind: 'unknown' }
  const { updates_available: updates, packages } = read.result
  if (updates === null) return { kind: 'unknown' }
  const found = { updates, security: securityAmong(packages) }
  const none = { updates: 0, security: 0 }
  const scope = scopeOf(operation, read)
  // What was applied was all of it, or there would be a contradiction.
  return operation.mode === 'dry-run'
    ? { kind: 'evidence', left: found, applied: none, scope }
    : { kind: 'evidence', left: none, applied: found, scope }
}

/** Stopped on request, before it could say how far it had come. */
const wasKilled = ({ status, mode }: PatchOperation, { read, bootId }: Told): boolean =>
  status === 'cancelled' && mode === 'apply' && bootId !== '' && !read

const wasRun = ({ status, outcome, exit_code }: PatchOperation): boolean =>
  status !== 'cancelled' && OUTCOMES_OF_RUNS.includes(outcome) && exit_code !== EXIT_STOPPED

/**
 * What a run looked at. One that was asked, this once and by no exception, to leave out what then did have an update,
 * looked at some: everybody could be made green that way.
 */
function scopeOf(operation: PatchOperation, { printed }: ReadResult): 'all' | 'security' | 'some' {
  if (isSome(operation.packages)) return 'some'
  if (isSome(operation.requested_exclusions) && printed.excluded > 0) return 'some'
  return operation.security_only ? 'security' : 'all'
}

/** Where the family can tell of some, those are counted. */
function securityAmong(packages: readonly ResultPackage[]): number | null {
  const updates = packages.filter(({ new_dependency }) => !new_dependency)
  const known = updates.filter(({ security }) => security === true).length
  return known === 0 && updates.some(({ security }) => security === null) ? null : known
}

/** What cannot all be true of a run, as sentences. Scripts that bring no evidence are not asked for more. */
export function contradictionsOf(
  { mode, status, exit_code, exclusions }: PatchOperation,
  { result, printed }: ReadResult,
): string[] {
  const wrong: string[] = []
  const { updates_available, evidence } = result
  if (updates_available !== null && printed.updates !== undefined && updates_available !== printed.updates)
    wrong.push(`It counts ${updates_available} updates, but lists ${printed.updates}.`)
  if (!evidence || status !== 'completed') return wrong
  if (!evidence.refreshed) wrong.push('It succeeded, but the repositories were not all asked.')
  if (result.error !== null) wrong.push('It succeeded, but with an error.')
  if (result.dry_run !== (mode === 'dry-run'))
    wrong.push('It does not say that it ran in the mode asked for.')
  if (exit_code === 2 && printed.packages > 0) wrong.push('There was nothing to do, but packages are listed.')
  if (exit_code === 0 && printed.packages === 0) wrong.push('It found something to do, but lists no package.')
  if (mode === 'apply' && (printed.upgraded !== printed.packages || printed.failed > 0))
    wrong.push('It succeeded, but not every package was upgraded.')
  if (!areSame(result.exclusions ?? [], exclusions ?? []))
    wrong.push('It left out other packages than it was told to.')
  return wrong
}

const isSome = (list: readonly string[] | null) => list !== null && list.length > 0

function areSame(some: readonly string[], others: readonly string[]): boolean {
  const [a, b] = [new Set(some), new Set(others)]
  return a.size === b.size && [...a].every((name) => b.has(name))
}
