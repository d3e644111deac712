import type { Job } from '../../core/jobs.ts'
import { withdrawAll } from '../schedules/withdraw.ts'

/** For a server that ended between the end of a schedule and the withdrawal of what it had made. */
export const withdrawScheduled: Job = {
  name: 'withdraw-scheduled',
  schedule: '5,25,45 * * * * *',
  run: withdrawAll,
}
