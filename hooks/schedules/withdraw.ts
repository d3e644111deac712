import type { App } from '../../core/app.ts'
import { Conflict, NotFound } from '../../core/errors.ts'
import { systemCaller } from '../../core/records/actor.ts'

/** What schedules have made and nobody has taken: the table of each, how it points back, and its open state. */
const MADE = [
  { made: 'patch_operations', by: 'schedule_id', schedules: 'patch_schedules', open: 'pending' },
  { made: 'patch_operations', by: 'fleet_schedule_id', schedules: 'fleet_schedules', open: 'pending' },
  { made: 'reboot_operations', by: 'schedule_id', schedules: 'reboot_schedules', open: 'sent' },
] as const

/** Withdraws what one schedule has made. */
export const withdrawOf = (app: App, schedule: string): Promise<void> =>
  withdrawWhere(app, 'and made."SCHEDULE" = $1', [schedule])

/** Withdraws whatever a schedule has made that is off or gone by now. */
export const withdrawAll = (app: App): Promise<void> => withdrawWhere(app, '', [])

async function withdrawWhere(app: App, condition: string, parameters: unknown[]): Promise<void> {
  for (const { made, by, schedules, open } of MADE) {
    const orphans = await app.database.run<{ id: string }>(
      `select made."id" from "${made}" made left join "${schedules}" schedule on schedule."id" = made."${by}"
       where made."status" = '${open}' and made."${by}" <> '' and schedule."is_active" is not true
       ${condition.replace('SCHEDULE', by)} limit 5000`,
      parameters,
    )
    for (const { id } of orphans) {
      try {
        await app.records.update(made, id, { body: {} }, { ...systemCaller, act: 'withdraw' })
      } catch (error) {
        if (!(error instanceof Conflict || error instanceof NotFound)) throw error
        app.log.debug({ [made]: id }, 'It was taken before it could be withdrawn.')
      }
    }
  }
}
