import type { Job } from '../../core/jobs.ts'
import { formatTime } from '../../core/time.ts'
import { sweep } from '../operations/lease.ts'

/** Pending operations whose time is over: no operation is open for ever. */
export const expireOperations: Job = {
  name: 'expire-operations',
  schedule: '*/10 * * * * *',
  run: (app) =>
    sweep(app, 'expire', `"status" = 'pending' and "not_after" <> '' and "not_after" < $1`, [
      formatTime(app.clock()),
    ]),
}
