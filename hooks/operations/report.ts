import { z } from 'zod'
import { OUTCOMES, type PatchOperation } from '../../collections/patch-operations.ts'
import { Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'
import { fieldsOf } from '../../core/input.ts'
import { callerFrom } from '../../core/records/actor.ts'
import { formatTime } from '../../core/time.ts'
import { wishForRestart } from '../reboots/after-patch.ts'
import { drawConclusions } from './conclusions.ts'
import { contradictionsOf } from './evidence.ts'
import { releaseLock } from './lock.ts'
import { refuseCutOutput } from './output-sizes.ts'
import { paragraphs } from './printable.ts'
import { addNote, type ReadResult, readResult } from './result.ts'
import { fitted } from './result-size.ts'
import { isLost } from './states.ts'

// Multipart brings everything as text, and what looks like a number or a boolean as one.
const text = z.preprocess(
  (value) => (typeof value === 'number' || typeof value === 'boolean' ? String(value) : value),
  z.string().default(''),
)
const number = (min: number, max: number) =>
  z.preprocess(
    (value) => (value === '' || value === null ? undefined : value),
    z.coerce.number().int().min(min).max(max).optional(),
  )
const Report = z.object({
  claim: text,
  exit_code: number(-1, 255),
  stdout_size: number(0, Number.MAX_SAFE_INTEGER),
  stderr_size: number(0, Number.MAX_SAFE_INTEGER),
  status: z.enum(['completed', 'failed', 'cancelled']).optional().catch(undefined),
  // That the lease is lost is the server's to say: an agent that said so could claim again what is over.
  outcome: z.enum(OUTCOMES).exclude(['lease_lost']).optional().catch(undefined),
  error_message: text,
  /** Of the host, when the script ran. */
  boot_id: text,
})

const MESSAGE_LENGTH_MAX = 10_000

/**
 * An agent says how an operation ended. A repeat is answered as the first was; the first report of a claim
 * whose lease had run out replaces that verdict.
 */
export async function report(event: WriteEvent<PatchOperation>, write: () => Promise<void>): Promise<void> {
  const { before, now } = event
  const given = fieldsOf(Report, event.body)
  if (!mayReport(event, given.claim)) {
    event.record = before
    return
  }
  refuseCutOutput(event.uploads, given)
  const stdout = event.uploads.findLast(({ field }) => field === 'stdout_file')
  const { read, refusal } = await readResult(stdout)
  event.record = {
    ...before,
    stdout_file: event.record.stdout_file,
    stderr_file: event.record.stderr_file,
    status: verdict(given),
    outcome: given.outcome ?? '',
    exit_code: given.exit_code ?? null,
    error_message: messageOf(given.error_message, refusal),
    claim: before.claim || given.claim,
    started_at: before.started_at || formatTime(now),
    completed_at: formatTime(now),
    lease_expires_at: '',
  }
  const contradictions = read ? contradictionsOf(event.record, read) : []
  if (read) addNote(read.result, contradictions)
  event.record.result = read ? fitted(read.result) : null
  event.record.updates_available = read ? countOf(read) : null
  releaseLock(event)
  await drawConclusions(event, { read, contradictions, bootId: given.boot_id })
  await wishForRestart(event, { read, bootId: given.boot_id })
  return write()
}

/** Null where the list says something else. */
const countOf = ({ result, printed }: ReadResult): number | null =>
  printed.updates === undefined || printed.updates === result.updates_available
    ? result.updates_available
    : null

/** 0: done; 2: nothing to do. What an agent says in words counts only where there is no exit code. */
function verdict({ exit_code, status }: z.infer<typeof Report>): PatchOperation['status'] {
  if (exit_code !== undefined) return exit_code === 0 || exit_code === 2 ? 'completed' : 'failed'
  return status === 'cancelled' ? 'cancelled' : 'failed'
}

/** True when the report counts, false when it is a repeat; throws Conflict when it is neither. */
function mayReport({ before, caller }: WriteEvent<PatchOperation>, claim: string): boolean {
  if (before.status === 'pending') {
    if (speaksClaims(caller)) throw new Conflict('The operation was not claimed; claim it first.')
    return true
  }
  if (before.claim === '') {
    // Taken and reported in one, without a claim; what was never taken has no start.
    if (before.started_at !== '' && !speaksClaims(caller)) return false
    throw new Conflict(`The operation is ${before.status}.`)
  }
  if (before.claim !== claim) throw new Conflict('The operation was claimed by somebody else.')
  return before.status === 'running' || isLost(before)
}

/** Agents of NannyAPI know no claims; they report what they took on themselves. */
const speaksClaims = (caller: WriteEvent['caller']): boolean => {
  const capabilities = callerFrom(caller, 'agents')?.capabilities
  return Array.isArray(capabilities) && capabilities.includes('claim')
}

/** A message is one of a machine we do not trust: no more of it than somebody would read. */
const messageOf = (message: string, refusal: string | undefined): string =>
  [paragraphs(message, MESSAGE_LENGTH_MAX), refusal && `The script's result was not read: ${refusal}.`]
    .filter(Boolean)
    .join(' ')
