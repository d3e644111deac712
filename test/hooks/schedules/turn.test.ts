import { describe, expect, test } from 'vitest'
import type { Blackout } from '../../../collections/blackouts.ts'
import { turnOf } from '../../../hooks/schedules/turn.ts'

const text = (time: string) => `2026-03-01 ${time}:00.000Z`
const at = (time: string) => new Date(text(time))
const schedule = (more: object = {}) => ({
  ...{
    id: 'plan00000000001',
    user_id: 'u',
    cron_expression: '0 3 * * *',
    timezone: 'UTC',
    window_minutes: 180,
  },
  ...{
    missed: 'run_in_window',
    jitter_seconds: 0,
    is_active: true,
    last_run_at: '',
    last_status: '',
    failures: 0,
  },
  ...{ due_at: text('03:00'), next_run_at: text('03:00'), ...more },
})
const blackout = (starts: string, ends: string) =>
  [{ name: 'freeze', user_id: 'u', starts_at: text(starts), ends_at: text(ends) }] as Blackout[]

describe('a due time in a blackout', () => {
  test('waits where its window is longer, and comes when that is over', () => {
    const blackouts = blackout('02:00', '03:05')
    const waiting = turnOf(schedule(), { now: at('03:00'), blackouts })
    expect(waiting).toEqual({
      change: { due_at: text('03:00'), next_run_at: text('03:05'), last_status: 'waits: blackout "freeze"' },
    })
    const then = turnOf(schedule(waiting.change), { now: at('03:05'), blackouts })
    expect(then.due).toEqual({ at: at('03:00'), notAfter: at('06:00') })
    expect(then.change.next_run_at).toBe('2026-03-02 03:00:00.000Z')
  })

  test.each([
    ['that is longer than its window', schedule(), blackout('02:00', '06:00')],
    ['of one that makes up for nothing', schedule({ missed: 'skip' }), blackout('02:00', '03:05')],
  ])('%s is skipped', (_, plan, blackouts) => {
    const turn = turnOf(plan, { now: at('03:00'), blackouts })
    expect(turn.due).toBeUndefined()
    expect(turn.change).toMatchObject({
      next_run_at: '2026-03-02 03:00:00.000Z',
      last_status: 'skipped: blackout "freeze"',
    })
  })
})

test('a window ends where a blackout begins', () => {
  const turn = turnOf(schedule(), { now: at('03:00'), blackouts: blackout('04:00', '05:00') })
  expect(turn.due?.notAfter).toEqual(at('04:00'))
})
