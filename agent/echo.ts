import { z } from 'zod'
import type { Job, Journal } from './journal.ts'

const Event = z.object({
  action: z.literal('update'),
  record: z.object({
    id: z.string(),
    status: z.string(),
    claim: z.string(),
    cancel_requested_at: z.string().default(''),
  }),
})

/** Events of what this agent did itself wait this long for company, before it looks at the list. */
export const ECHO_MS = 5_000

const isOver = ({ state }: Job) => state === 'finished' || state === 'acknowledged' || state === 'refused'

/**
 * Whether an event tells no more than this agent's own claim, renewal or report. Of a fleet that is patched at one
 * moment, half of all lists would be answers to such events.
 */
export const isEcho = (event: unknown, journal: Pick<Journal, 'read'>): boolean => {
  const parsed = Event.safeParse(event)
  if (!parsed.success) return false
  const { id, status, claim, cancel_requested_at } = parsed.data.record
  const job = journal.read(id)
  if (!job || job.claim !== claim) return false
  return status === 'running' ? cancel_requested_at === '' : isOver(job)
}
