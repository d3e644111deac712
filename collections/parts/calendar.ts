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
  /** The calendar's next time, delayed by the jitter. */
  next_run_at: computed(date()),
  /** The calendar's time that `next_run_at` stands for. Windows are counted from it. */
  due_at: computed(date()),
  last_run_at: computed(date()),
  last_status: computed(text({ max: 1000 })),
  /** Times in a row at which it could not do what it is there for. */
  failures: computed(number()),
}
