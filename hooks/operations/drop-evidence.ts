import type { Agent } from '../../collections/agents.ts'
import { Conflict } from '../../core/errors.ts'
import type { WriteEvent } from '../../core/hooks.ts'

/** The evidence of `checked_at` says nothing any more. What was found stays, to be read with its time. */
export function dropEvidence({ record, before, body }: WriteEvent<Agent>): void {
  if (before.compliance === 'unknown' || before.checked_at !== body.checked_at)
    throw new Conflict('There is newer evidence, or none.')
  record.compliance = 'unknown'
}
