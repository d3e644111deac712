import { bool, computed, date, number, select, text } from '../../core/fields/index.ts'

/** When something recurs: what its owner says, and what the server works out from it. */
export const calendar = {
  cron_expression: text({ required: true, max: 255 }),
  timezone: text({ max: 100 }),
  window_minutes: number({ min: 0, max: 10_080, integer: true }),
  missed: select(['skip', 'run_in_window'], { initial: 'run_in_window' }),
  jitter_seconds: number({ min: 0, max: 86_400, integer: true }),
  is_active: bool({ initial: true }),
}

export const calendarState = {
  next_run_at: computed(date()),
  last_run_at: computed(date()),
  last_status: computed(text()),
}
