import type { WriteEvent } from '../../core/hooks.ts'
import type { Scheduled } from './settle-calendar.ts'

const WRITTEN_BY_SCAN = [
  'next_run_at',
  'due_at',
  'last_run_at',
  'last_status',
  'failures',
  'is_active',
] as const

/** The scan writes down what came of a due time; nothing else of the schedule changes. */
export function fired<R extends Scheduled>(event: WriteEvent<R>): void {
  const { before, body } = event
  event.record = { ...before }
  for (const field of WRITTEN_BY_SCAN)
    if (body[field] !== undefined) Object.assign(event.record, { [field]: body[field] })
}
