import type { Ledger } from './ledger.ts'
import type { Outputs } from './outputs.ts'
import type { Recorded } from './owner.ts'

const FINISHED = ['completed', 'failed', 'cancelled', 'expired']
/** No chaos makes a good script look like another one. */
const REFUSED = ['bad_signature', 'hash_mismatch']
/** So many examples of one kind are named. */
const NAMED = 3

/**
 * Compares what the server has recorded with what the agents did: every accepted operation is there once and has
 * an outcome, its script ran at most once, and the recorded outcome is the one it ended with. Returns what is wrong,
 * in sentences; nothing where all is well.
 */
export function verify(recorded: readonly Recorded[], ledger: Ledger, outputs: Outputs): string[] {
  const wrong = new Map<string, string[]>()
  const tell = (what: string, id: string) => wrong.set(what, [...(wrong.get(what) ?? []), id])
  const byId = new Map(recorded.map((operation) => [operation.id, operation]))
  if (byId.size !== recorded.length) tell('were listed more than once', `${recorded.length - byId.size} rows`)

  for (const [id, { asked, done, starts }] of ledger.entries) {
    const operation = byId.get(id)
    if (starts > 1) tell('had their script started more than once', id)
    if (!operation) {
      if (asked !== undefined) tell('were accepted and are gone', id)
      continue
    }
    const { status, outcome, exit_code } = operation
    if (!FINISHED.includes(status)) tell('have no outcome', id)
    else if (outcome === 'lease_lost' && done !== undefined) tell('were reported and count as lost', id)
    else if (REFUSED.includes(outcome)) tell('had a script that their host refused', id)
    else if (starts === 0 && status === 'completed') tell('count as completed and never ran', id)
    else if (starts === 1 && exit_code !== outputs.exitCodeOf(id))
      tell('have another exit code than their script', id)
  }
  for (const { id } of recorded)
    if (ledger.entries.get(id)?.asked === undefined) tell('are there and were never accepted', id)

  return [...wrong].map(
    ([what, ids]) => `${ids.length} operations ${what}: ${ids.slice(0, NAMED).join(', ')}.`,
  )
}

/** Operations by what became of them, such as `completed` or `failed: not_started`. */
export function outcomes(recorded: readonly Recorded[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status, outcome, exit_code } of recorded) {
    const failed = status === 'failed' && exit_code !== null && exit_code !== undefined
    const name = [status, outcome || (failed ? `exit ${exit_code}` : '')].filter(Boolean).join(': ')
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
